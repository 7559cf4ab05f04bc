# From an array of runs with prepared images to lines for people. The agent's times are seconds.
include "numbers";

def milliseconds($step): map(.status.seconds[$step] * 1000);

group_by(.name | tonumber)
| . as $sizes
| (map(milliseconds("total") | median) | .[-1] / .[0] * 1000 | round / 1000) as $ratio
| "The agent with images that veritysetup prepared (roothash=), \($runs) boots each, milliseconds: median (least-most)",
  (map("\(.[0].name) MiB") | row(""; 28)),
  (["total"] + (map(.[].status.seconds | keys[]) | unique - ["total"]) | .[] as $step
	| $sizes | map(milliseconds($step) | spread) | row($step; 28)),
  "  The largest takes \($ratio) times as long as the smallest; the limit is 1.05."
