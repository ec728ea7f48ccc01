#!/usr/bin/env bash
# Server and agent as programs: a run from beginning to end, a second one, a server that goes and comes
# back, signals.
#
# usage: programs_test.sh SERVER AGENT INFER MAKE_WEIGHTS CHECK_RUN FASHION_CFG FASHION_WEIGHTS TEST200 PHOTO
set -euo pipefail
server=$(realpath "$1") agent=$(realpath "$2") infer=$(realpath "$3") make_weights=$(realpath "$4")
check=$(realpath "$5") cfg=$(realpath "$6") weights=$(realpath "$7") images=$(realpath "$8") photo=$(realpath "$9")

# No other program's files, and nobody who cleans up.
export TMPDIR=${TEST_TMPDIR:-${TMPDIR:-/tmp}}
work=$(mktemp -d)
cd "$work"
unset BUILD_WORKING_DIRECTORY
child=
finish() {
    if [ -n "$child" ] && kill "$child" 2>/dev/null; then
        wait "$child" || true
    fi
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "FAILED: $*"
    for log in *.log; do
        echo "--- $log"
        tail -n 20 "$log"
    done
    exit 1
}

# start_server LISTEN [OPTION...]: sets `child` and `port`.
start_server() {
    rm -f port
    "$server" --store memory --listen "$@" --port-file port 2>>server.log &
    child=$!
    timeout 60 head -c 1 <(tail --pid=$child -n +1 -F port 2>/dev/null) >/dev/null
    [ -s port ] || fail "the server did not start"
    port=$(cat port)
}

stop_server() {
    kill "$child"
    wait "$child" || fail "the server ended with status $?"
    child=
}

# The first test image as the network's input.
python3 - "$images" input.f32 <<'PYTHON'
import struct, sys
pixels = open(sys.argv[1], "rb").read()[:784]
open(sys.argv[2], "wb").write(struct.pack("<784f", *(p / 255 for p in pixels)))
PYTHON
# What an agent keeps lies beside the weights.
cp -L "$weights" fashion.weights
input=(--cfg "$cfg" --weights fashion.weights --input-f32 input.f32)
"$infer" "${input[@]}" --output-f32 local.f32 >/dev/null
# The device would be faster than the link.
furthest=("${input[@]}" --choose furthest --no-profile)

tests=0
passed() {
    tests=$((tests + 1))
    echo "passed: $*"
}

start_server 127.0.0.1:0
# What is fastest depends on how busy this machine is; what an edge that has everything runs does not.
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --choose furthest --limit-mbps 10 --slowdown 200 --until-uploaded 5 --json run.json \
    --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
"$check" run.json --uploaded --whole-last || fail "first run"
cmp local.f32 edge.f32 || fail "the edge's answer is another one"
grep -q 'slowed down 200 times' agent.log || fail "the slowdown is not said"
passed "a run from beginning to end"

profile=$(echo fashion.weights.*.profile)
grep -q '^layers 18$' "$profile" || fail "no layer times were kept"
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --log-level debug --repeat 1 >agent.log 2>&1 ||
    fail "the agent ended with status $?"
grep -q "layer times from fashion.weights" agent.log || fail "the layer times were not used"
echo garbage >"$profile"
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --repeat 3 >agent.log 2>&1 || fail "the agent ended with status $?"
grep -q '^layers 18$' "$profile" || fail "bad layer times were not replaced"
passed "layer times are kept beside the weights"

"$agent" --edge "127.0.0.1:$port" "${furthest[@]}" --until-uploaded 3 --json run.json >agent.log 2>&1 ||
    fail "the agent ended with status $?"
"$check" run.json --uploaded --whole-last --sent-at-most 12544 || fail "second run"
passed "a second run that has nothing to upload"

# The last four bytes are another weight: a frame differs, by next to nothing.
{ head -c -4 "$weights"; printf '\0\0\200\77'; } >update.weights
updated=(--cfg "$cfg" --weights update.weights --input-f32 input.f32)
"$infer" "${updated[@]}" --output-f32 update.f32 >/dev/null
"$agent" --edge "127.0.0.1:$port" "${updated[@]}" --choose furthest --no-profile --delta-from fashion.weights --until-uploaded 1 \
    --json run.json --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
"$check" run.json --uploaded --whole-last || fail "an update"
cmp update.f32 edge.f32 || fail "the updated model's answer is another one"
grep -q '"weight_bytes_sent":[0-9]\{1,3\},' run.json || fail "more than the update was sent: $(grep '"upload"' run.json)"
passed "differences from an earlier model"

"$make_weights" --cfg "$cfg" --out draft.weights --seed 9 >/dev/null
drafted=(--cfg "$cfg" --weights draft.weights --input-f32 input.f32)
"$infer" "${drafted[@]}" --output-f32 draft.f32 >/dev/null
"$agent" --edge "127.0.0.1:$port" "${drafted[@]}" --choose furthest --no-profile --precision draft --limit-mbps 5 --until-uploaded 2 \
    --json run.json --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
"$check" run.json --uploaded --whole-last || fail "a draft"
cmp draft.f32 edge.f32 || fail "the answer after a draft is another one"
grep -q '"precision":"exact"' <(tail -n 2 run.json) || fail "the whole model's answer is a draft's"
python3 - run.json <<'PYTHON' || fail "the draft's bytes: $(grep '"upload"' run.json)"
import json, sys
upload = next(e for e in map(json.loads, open(sys.argv[1])) if e["event"] == "upload")
sys.exit(not 0 < upload["draft_bytes_sent"] < upload["weight_bytes_sent"] < 0.9 * upload["model_bytes"])
PYTHON
passed "a draft before the model"

"$agent" --edge "127.0.0.1:$port" "${input[@]}" --cut 5:13 --repeat 3 --json run.json --output-f32 edge.f32 \
    >agent.log 2>&1 || fail "the agent ended with status $?"
cmp local.f32 edge.f32 || fail "the answer with a cut is another one"
[ "$(grep -c '"first":5,"end":13' run.json)" = 3 ] || fail "the cut was not kept"
passed "a fixed cut"

# The test image's values are bytes: a quarter of the floats', and the same answer. Halves are not.
grep -q '"up_bytes":784,' run.json && fail "tensors within the network are no bytes"
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --cut 0:18 --repeat 2 --input-encoding u8 --json run.json --output-f32 edge.f32 \
    >agent.log 2>&1 || fail "the agent ended with status $?"
cmp local.f32 edge.f32 || fail "the answer from bytes is another one"
[ "$(grep -c '"up_bytes":784,"down_bytes":40,"input_encoding":"u8",' run.json)" = 2 ] || fail "the input did not go as bytes"
# Coded, and whatever is fastest: the same answer. A raw input has no file.
for encoding in file planes auto; do
    "$agent" --edge "127.0.0.1:$port" "${input[@]}" --cut 0:18 --repeat 2 --input-encoding $encoding --json run.json --output-f32 edge.f32 \
        >agent.log 2>&1 || fail "the agent ended with status $?"
    cmp local.f32 edge.f32 || fail "the answer from --input-encoding $encoding is another one"
    ! grep -qE '"input_encoding":("png"|null)' run.json || fail "a raw input went as a file, or not at all"
done
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --cut 0:18 --repeat 1 --input-encoding f32 --json run.json \
    >agent.log 2>&1 || fail "the agent ended with status $?"
grep -q '"up_bytes":3136,' run.json || fail "the input did not go as floats"
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --cut 5:13 --repeat 1 --cut-encoding f16 --json half.json \
    --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
cmp -s local.f32 edge.f32 && fail "halves changed nothing"
grep -q '"cut_encoding":"f16"' half.json || fail "halves are not said"
grep -q '(in f16)' agent.log || fail "halves are not said to a person"
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --cut 5:13 --repeat 1 --cut-encoding u8 --json steps.json \
    --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
cmp -s local.f32 edge.f32 && fail "256 steps changed nothing"
grep -q '"cut_encoding":"u8"' steps.json || fail "256 steps are not said"
grep -q '(in u8)' agent.log || fail "256 steps are not said to a person"
passed "encodings of tensors"

# Boxes in what the edge computed: two detectors, of which the first is an early output.
cat >boxes.cfg <<'CFG'
[net]
width=64
height=64
channels=3
[convolutional]
filters=27
size=3
stride=8
pad=1
activation=linear
[yolo]
mask=0,1,2
anchors=10,14, 23,27, 37,58
num=3
classes=4
[route]
layers=0
[convolutional]
filters=27
size=1
activation=linear
[yolo]
mask=0,1,2
anchors=10,14, 23,27, 37,58
num=3
classes=4
CFG
"$make_weights" --cfg boxes.cfg --out boxes.weights --seed 5 >/dev/null
boxes=(--cfg boxes.cfg --weights boxes.weights --image "$photo" --thresh 0.3)
"$infer" "${boxes[@]}" --draw local.png --json local.json >/dev/null
"$agent" --edge "127.0.0.1:$port" "${boxes[@]}" --cut 0:5 --repeat 2 --draw edge.png --json run.json >agent.log 2>&1 ||
    fail "the agent ended with status $?"
[ "$(grep -c '"first":0,"end":5' run.json)" = 2 ] || fail "the edge did not compute the boxes"
grep -o '"boxes":\[{.*}\]' local.json >local.boxes || fail "no boxes"
[ "$(grep -c -F "$(cat local.boxes)" run.json)" = 2 ] || fail "the edge's boxes are other ones"
cmp local.png edge.png || fail "the drawn picture is another one"
passed "boxes of what the edge computed"

# The picture as it came, for each way to fit it: no more bytes than its file, the same answer, and nothing that tells of its
# camera. A JPEG of the network's input is another answer, the same with and without an edge.
file_bytes=$(stat -L -c %s "$photo")
for fit in letterbox crop stretch; do
    "$infer" "${boxes[@]:0:6}" --fit $fit --output-f32 local_boxes.f32 >/dev/null
    "$agent" --edge "127.0.0.1:$port" "${boxes[@]:0:6}" --fit $fit --cut 0:5 --repeat 2 --input-encoding file --json run.json \
        --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
    cmp local_boxes.f32 edge.f32 || fail "the answer from the picture's file is another one ($fit)"
    [ "$(grep -c '"input_encoding":"jpeg"' run.json)" = 2 ] || fail "the input did not go as its file ($fit)"
    up_bytes=$(grep -o '"up_bytes":[0-9]*' run.json | head -1 | cut -d: -f2)
    [ "$up_bytes" -le "$file_bytes" ] || fail "$up_bytes bytes of a file of $file_bytes ($fit)"
done
"$agent" "${boxes[@]:0:6}" --repeat 1 --input-quality 20 --output-f32 here.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
"$agent" --edge "127.0.0.1:$port" "${boxes[@]:0:6}" --cut 0:5 --repeat 3 --input-quality 20 --input-encoding file --json run.json \
    --output-f32 edge.f32 >agent.log 2>&1 || fail "the agent ended with status $?"
cmp here.f32 edge.f32 || fail "a JPEG of the input is another one on the edge"
cmp -s here.f32 local_boxes.f32 && fail "--input-quality changed nothing"
grep -q '"input_encoding":"jpeg"' run.json || fail "a JPEG of the input did not go as one"
grep -q '"exact":true' run.json && fail "a JPEG of the input is called exact"
passed "pictures as they came"

# The server goes while queries run, and comes back where it was. What is awaited must not stand in
# files of the run before.
rm -f agent.log run.json
"$agent" --edge "127.0.0.1:1" --edge "127.0.0.1:$port" "${furthest[@]}" --duration 1000 --interval 20 --json run.json \
    >agent.log 2>&1 &
running=$!
# await PATTERN FILE [LINE]: until a line that matches stands in the file, behind LINE.
await() {
    timeout 60 grep -q -m 1 "$1" <(tail --pid=$running -n "+${3:-1}" -F "$2" 2>/dev/null) ||
        fail "'$1' does not come in $2"
}
await 'edge \[0, 18)' agent.log
stop_server
await 'is gone' agent.log
await '"fallback":"no edge"' run.json
start_server "127.0.0.1:$port"
await 'is back' agent.log
before=$(wc -l <agent.log)
await 'edge \[0, 18)' agent.log "$before"
kill -TERM "$running"
wait "$running" || fail "the agent ended with status $? after SIGTERM"
"$check" run.json --uploaded --fallbacks || fail "run with a restart"
passed "a server that goes and comes back"

# An edge that goes in mid-upload, while a query waits for it: the device finishes.
start=$port
stop_server
start_server "127.0.0.1:$start"
rm -f agent.log run.json
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --limit-mbps 0.2 --cut 0:18 --repeat 1 --json run.json \
    --output-f32 edge.f32 >agent.log 2>&1 &
running=$!
await 'layers ready' agent.log
kill -KILL "$child"
wait "$child" 2>/dev/null || true
child=
wait "$running" || fail "the agent ended with status $? after the edge was killed"
"$check" run.json --fallbacks || fail "run with a killed edge"
cmp local.f32 edge.f32 || fail "the device's answer is another one"
grep -q '"fallback":"edge lost: ' run.json || fail "the reason is not said"
passed "an edge that is killed while a query waits"

# Nobody reads what is printed: a signal is heard all the same, and a second one ends the program.
mkfifo unread
exec 9<>unread
head -c 65536 /dev/zero >&9
rm -f agent.log
"$agent" "${input[@]}" --duration 1000 --json - >unread 2>agent.log &
running=$!
await 'query 1 ' agent.log
kill -TERM "$running"
await ' queries, 0 lost' agent.log
kill -TERM "$running"
status=0
wait "$running" || status=$?
[ "$status" = 143 ] || fail "a second signal: status $status"
exec 9>&-
passed "signals where nobody reads"

# Nothing is loaded yet: the picture comes from a pipe that does not end. More than a pipe holds is
# written once the agent reads.
exec 9<>unread
"$agent" "${boxes[@]:0:4}" --image - <unread >agent.log 2>&1 &
running=$!
timeout 60 head -c 100000 /dev/zero >&9 || fail "the agent does not read its picture"
kill -TERM "$running"
status=0
wait "$running" || status=$?
[ "$status" = 143 ] || fail "a signal while files are read: status $status"
exec 9>&-
passed "a signal while files are read"
# Two devices and one place for uploads: the second is not refused, but waits for the first.
start_server 127.0.0.1:0 --max-uploads 1
rm -f agent.log run.json
"$agent" --edge "127.0.0.1:$port" "${input[@]}" --limit-mbps 0.2 --duration 1000 >first.log 2>&1 &
running=$!
await 'to upload' first.log
first=$running
"$agent" --edge "127.0.0.1:$port" "${boxes[@]}" --choose furthest --no-profile --until-uploaded 2 --json run.json \
    >agent.log 2>&1 &
running=$!
await 'is busy (too many uploads: limit upload_sessions is 1)' agent.log
await '"fallback":"no edge"' run.json
kill -TERM "$first"
wait "$first" || fail "the first agent ended with status $?"
wait "$running" || fail "the second agent ended with status $? although the edge was only busy"
"$check" run.json --uploaded --fallbacks || fail "run of the second agent"
grep -q 'refuses' agent.log && fail "busy is said to be a refusal"
passed "a busy edge that is waited for"

if [ -n "${XML_OUTPUT_FILE:-}" ]; then
    printf '<testsuites><testsuite name="programs" tests="%d" failures="0" errors="0"/></testsuites>\n' "$tests" \
        >"$XML_OUTPUT_FILE"
fi
echo "$tests passed"
