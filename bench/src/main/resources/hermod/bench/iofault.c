/* iofault.c - makes syncs of files under one folder fail or slow, while a control file says so. Preloaded into a broker by "hermod-bench faults".
 *
 *   HERMOD_IOFAULT_UNDER  the folder
 *   HERMOD_IOFAULT_ORDER  the control file: "eio" (syncs fail), "delay N" (each takes N ms longer), anything else: nothing
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_under(int fd) {
  const char *under = getenv("HERMOD_IOFAULT_UNDER");
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0 || !under) return 0;
  path[n] = 0;
  return strncmp(path, under, strlen(under)) == 0;
}

/* 0: go on; -1: failed, errno is set */
static int before_sync(int fd) {
  const char *order = getenv("HERMOD_IOFAULT_ORDER");
  if (!order || !is_under(fd)) return 0;
  int control = open(order, O_RDONLY | O_CLOEXEC);
  if (control < 0) return 0;
  char words[64];
  ssize_t n = read(control, words, sizeof words - 1);
  close(control);
  words[n < 0 ? 0 : n] = 0;
  if (strncmp(words, "eio", 3) == 0) {
    errno = EIO;
    return -1;
  }
  if (strncmp(words, "delay ", 6) == 0) usleep(1000 * (useconds_t)atoi(words + 6));
  return 0;
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  return before_sync(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  return before_sync(fd) ? -1 : real(fd);
}
