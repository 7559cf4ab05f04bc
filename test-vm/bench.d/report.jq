# Runs, as an array -> lines for people. Times in the records are nanoseconds, the agent's own are seconds.
def seconds: . * 1000 | round / 1000 | tostring | if test("\\.") then . else . + ".000" end | . + ("000"[:3 - (split(".")[1] | length)]);
def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def spread: "\(median | seconds) (\(min | seconds)-\(max | seconds))";
def left($width): . + (" " * ([$width - length, 0] | max) // "");

map({
	who: "\(.name) \(.banks)",
	total: ((.init - .exec) / 1e9),
	hash: (if .status then .status.seconds.hash else .hash / 1e9 end),
	ready: ((.exec - .start) / 1e9),
	memory: .status.memory_peak_kib, buffers: .buffers_kib, cached: .cached_kib, free: .free_kib
} | .outside = .total - .hash)
| (map(select(.who | startswith("shell-busybox"))) | map(.total) | median) as $shell
| (map(select(.who | startswith("shell-coreutils"))) | map(.total) | median) as $coreutils
| group_by(.who) | sort_by(.[0].who | startswith("agent"))
| ("contestant" | left(36)) + ("in all" | left(24)) + ("hash" | left(24)) + ("outside hashing" | left(24)) + "times faster than shell (busybox, coreutils)",
  (.[] | (.[0].who | left(36)) + (map(.total) | spread | left(24)) + (map(.hash) | spread | left(24)) + (map(.outside) | spread | left(24))
	+ ((map(.total) | median) as $m | "\($shell / $m * 10 | round / 10)  \($coreutils / $m * 10 | round / 10)")),
  "",
  ("memory, KiB, median" | left(36)) + ("agent's peak" | left(16)) + ("disk cache" | left(16)) + ("file cache" | left(16)) + "free",
  (.[] | (.[0].who | left(36)) + (map(.memory // empty) | if . == [] then "-" else median | tostring end | left(16))
	+ (map(.buffers) | median | tostring | left(16)) + (map(.cached) | median | tostring | left(16)) + (map(.free) | median | tostring))
