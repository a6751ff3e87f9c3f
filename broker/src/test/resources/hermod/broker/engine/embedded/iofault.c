/* Makes syncs and writes of a process fail while a file says so: its first letter is s (sync: EIO) or w (write: ENOSPC).
 * HERMOD_IOFAULT names that file, HERMOD_IOFAULT_PATH a part of the paths that are meant. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_meant(int fd) {
    char link[64], path[4096];
    const char *part = getenv("HERMOD_IOFAULT_PATH");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !part) {
        return 0;
    }
    path[length] = 0;
    return strstr(path, part) != NULL;
}

static int is_asked_for(char letter) {
    const char *name = getenv("HERMOD_IOFAULT");
    FILE *file = name ? fopen(name, "r") : NULL;
    if (!file) {
        return 0;
    }
    int first = fgetc(file);
    fclose(file);
    return first == letter;
}

static int sync_or_fail(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (is_meant(fd) && is_asked_for('s')) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { return sync_or_fail(fd, "fsync"); }

int fdatasync(int fd) { return sync_or_fail(fd, "fdatasync"); }

ssize_t write(int fd, const void *from, size_t bytes) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) {
        real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    }
    if (is_meant(fd) && is_asked_for('w')) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, from, bytes);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) {
    ssize_t (*real)(int, const void *, size_t, off64_t) =
        (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (is_meant(fd) && is_asked_for('w')) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, from, bytes, at);
}
