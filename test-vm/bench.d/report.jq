# From an array of runs to lines for people. The times of the records are nanoseconds. Those of the agent are seconds.

include "numbers";

map({
	who: "\(.name) \(.banks)",
	total: ((.init - .exec) / 1e9),
	hash: (.status.seconds.hash // .hash / 1e9),
	ready: ((.exec - .start) / 1e9),
	steps: .status.seconds,
	memory: .status.memory_peak_kib,
	bytes: .status.image.bytes,
	buffers_kib, cached_kib, free_kib, shmem_kib
} | .outside = .total - .hash)
| (map(.ready) | median | fixed) as $ready
| reduce .[] as $run ({}; .[$run.who] += [$run])
| . as $by
| (to_entries | map(select(.key | startswith("shell")) | {key, value: (.value | map(.total) | median)})) as $shells
| "From /init to the image's own init, \($size) MiB, \($runs) boots each, seconds: median (least-most)",
  (["in all", "hashing", "all else"] + ($shells | map("x " + .key)) | row(""; 24)),
  ($by | to_entries[] | .key as $who | .value | (map(.total) | median) as $median
	| ([map(.total), map(.hash), map(.outside)] | map(spread)) + ($shells | map("\(.value / $median * 10 | round / 10)"))
	| row($who; 24)),
  "  \"x\" is how many times faster than that shell pipeline.",
  "  The clock starts when PID 1 becomes /init. Before that it started swtpm, which took \($ready) s. That is not counted,",
  "  because a real machine has its TPM.",
  "",
  "The agent's steps, median, milliseconds",
  ($by | to_entries | map(select(.value[0].steps)) | . as $agents
	| ((map(.key | ltrimstr("agent ") | ltrimstr("agent,")) | row(""; 28))),
	(($agents | map(.value[].steps | keys[]) | unique - ["total"])[] as $step
	| $agents | map(.value | map(.steps[$step] * 1000) | median | fixed) | row($step; 28)),
	($agents | map(.value | map((.total - .steps.total) * 1000) | median | fixed) | row("before and after these"; 28))),
  "",
  "Memory, KiB, median",
  (["agent's peak", "disk cache", "file cache", "free"] | row(""; 16)),
  ($by | to_entries[] | .key as $who | .value
	| [map(.memory), map(.buffers_kib), map(.cached_kib), map(.free_kib)]
	| map(if .[0] then median | tostring else "-" end) | row($who; 16)),
  "  As the new init finds it; the file cache holds the software TPM, which still runs.",
  ($by["agent sha1+sha256"] as $plain | $by["agent,verity sha1+sha256"] | (map(.memory) | median) as $agent
	| ((map(.shmem_kib) | median) - ($plain | map(.shmem_kib) | median)) as $tree
	| ((8192 + .[0].bytes / 1024 * 0.008) | floor) as $limit
	| "  With the seal verity the agent's peak and its tree are \($agent) + \($tree) = \($agent + $tree) KiB;"
	+ " the limit is 8 MiB + 0.8 % of the image, \($limit) KiB.")
