# Numbers for people.

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
# Three digits behind the point.
def fixed: (. * 1000 | round) as $n | "\($n / 1000 | floor).\("000\($n % 1000)" | .[-3:])";
def spread: "\(median | fixed) (\(min | fixed)-\(max | fixed))";
def left($width): . + ([range($width - length)] | map(" ") | join(""));
def row($first; $width): ("  " + ($first | left(36)) + (map(left($width)) | join(""))) | sub(" +$"; "");
