# table.awk - raw lines of compare.sh -> markdown tables of medians over rounds, with ratios to the relay floor
function med(key, m,   n, i, j, t, a) {
  n = 0; for (i = 1; i <= cnt[key]; i++) if (quiet[key] == 0 || q[key, i]) a[++n] = v[key, i, m] + 0
  for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
  return n ? (n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2) : -1
}
function human(x) { return x >= 1e6 ? sprintf("%.2fM", x / 1e6) : x >= 1e4 ? sprintf("%.0fk", x / 1e3) : x >= 1e3 ? sprintf("%.2fk", x / 1e3) : sprintf("%.0f", x) }
function us(x) { return x >= 1e4 ? sprintf("%.0f ms", x / 1e3) : x >= 1000 ? sprintf("%.1f ms", x / 1e3) : sprintf("%.1f", x) }
function miss(key) { return sprintf("%d / %d / %d", worst(key, "lost"), worst(key, "refused"), worst(key, "unacked")) }
function worst(key, m,   i, w) { for (i = 1; i <= cnt[key]; i++) if (v[key, i, m] + 0 > w + 0) w = v[key, i, m]; return w + 0 }
function ratio(a, b) { return b > 0 ? sprintf("%.2f", a / b) : "-" }
/^#/ { next }
{ w = l = ""; delete f
  for (i = 1; i <= NF; i++) { k = index($i, "="); if (k) f[substr($i, 1, k - 1)] = substr($i, k + 1) }
  w = f["workload"]; l = f["lane"]; key = w SUBSEP l
  if (!(w in seenw)) { seenw[w] = 1; W[++nw] = w }
  if (!(l in seenl)) { seenl[l] = 1; L[++nl] = l }
  if (!("p50" in f)) { err[key] = f["error"]; next }
  c = ++cnt[key]; for (m in f) v[key, c, m] = f[m]
  q[key, c] = (f["foreign"] < 0.25); quiet[key] += q[key, c] }
END { for (x = 1; x <= nw; x++) { w = W[x]; base = w SUBSEP "relay"; lat = (w ~ /^(ping|rate|crossing)/)
  print "\n**" w "**\n"
  if (lat) { print "| peer | p50 us | p90 | p99 | p99.9 | x floor p50 | x floor p99 | lost / refused / unacked | broker CPU s per M deliveries | quiet runs |"; print "|---|---|---|---|---|---|---|---|---|---|" }
  else { print "| peer | messages/s | deliveries/s | x floor | p50 in queue | lost / refused / unacked | broker CPU s per M deliveries | broker cores | gen cores | quiet runs |"; print "|---|---|---|---|---|---|---|---|---|---|" }
  for (y = 1; y <= nl; y++) { l = L[y]; key = w SUBSEP l
    if (!cnt[key]) { print "| " l " | " err[key] " |"; continue }
    cpu = med(key, "cpu_us_per_deliv"); cs = cpu >= 10 ? sprintf("%.0f", cpu) : cpu >= 1 ? sprintf("%.1f", cpu) : sprintf("%.3f", cpu)
    if (lat) printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %d/%d |\n", l, us(med(key, "p50")), us(med(key, "p90")), us(med(key, "p99")), us(med(key, "p999")),
      ratio(med(key, "p50"), med(base, "p50")), ratio(med(key, "p99"), med(base, "p99")), miss(key), cs, quiet[key], cnt[key]
    else printf "| %s | %s | %s | %s | %s | %s | %s | %.2f | %.2f | %d/%d |\n", l, human(med(key, "msgs_s")), human(med(key, "deliv_s")),
      ratio(med(key, "deliv_s"), med(base, "deliv_s")), us(med(key, "p50")), miss(key), cs, med(key, "cpu_cores"), med(key, "gen_cores"), quiet[key], cnt[key]
  } } }
