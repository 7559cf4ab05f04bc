# Runs, as an array -> lines for people. Times in the records are nanoseconds, the agent's own are seconds.

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
# Three digits behind the point.
def fixed: (. * 1000 | round) as $n | "\($n / 1000 | floor).\("000\($n % 1000)" | .[-3:])";
def spread: "\(median | fixed) (\(min | fixed)-\(max | fixed))";
def left($width): . + ([range($width - length)] | map(" ") | join(""));
def row($first; $width): ("  " + ($first | left(36)) + (map(left($width)) | join(""))) | sub(" +$"; "");

map({
	who: "\(.name) \(.banks)",
	total: ((.init - .exec) / 1e9),
	hash: (.status.seconds.hash // .hash / 1e9),
	ready: ((.exec - .start) / 1e9),
	steps: .status.seconds,
	memory: .status.memory_peak_kib,
	buffers_kib, cached_kib, free_kib
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
  "  The clock starts where PID 1 becomes /init. Before that it started swtpm, which took \($ready) s and is not counted:",
  "  a real machine has its TPM.",
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
  "  As the new init finds it; the file cache holds the software TPM, which still runs."
