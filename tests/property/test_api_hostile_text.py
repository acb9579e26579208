"""Whatever the text is: an answer within a second of work, never an exception, and every error has its place."""

import time

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.api.errors import MAX_ERRORS
from orchestrator.api.load import load_text
from orchestrator.api.overrides import apply, workload_args
from tests.fixtures.job_texts import cnn, job_text, load_one

SECONDS = 1.0
JOB = load_one(cnn())
WHOLE = job_text(
    """
workload: {name: cnn, args: {epochs: 3, layers: [64], data: digits}}
strategy: MultiWorkerMirrored
template: &t
  metadata: {labels: {a: 'b'}}
  spec: {containers: [{name: tensorflow, env: [{name: A, value: "b"}], ports: [{containerPort: 1}]}]}
replicaSpecs:
  chief: {gpus: 1}
  worker: {<<: {replicas: 2}, template: *t, restartPolicy: OnFailure}
runPolicy: {backoffLimit: 3, cleanPodPolicy: None, suspend: false}
recovery: {exitCodes: [{codes: [3], action: Fail}]}
telemetry: {everySeconds: 1.5}
"""
)
PIECES = st.sampled_from(
    ["\t", "\n", " ", "  ", ":", ": ", "-", "- ", "[", "]", "{", "}", ",", "#", "&a ", "*a", "!x ", "!!str ", "<<: ",
     "'", '"', "|\n", ">\n", "?", "%", "@", "`", "\\", "\0", "\x85", "\u2028", "\ufeff", "\U0001f600", "null", "~",
     ".inf", "0x", "1e9999", "9" * 400, "---\n", "...\n", "off", "a" * 300, "replicas: ", "spec:"]
)  # fmt: skip


def check(text: str | bytes) -> None:
    started = time.process_time()
    result = load_text(text, "f")
    lines = [str(error) for error in result.errors]
    assert time.process_time() - started < SECONDS
    assert len(lines) <= MAX_ERRORS * 257
    assert all(line.startswith("f") and "\n" not in line and len(line) < 5000 for line in lines)
    assert result.jobs or lines


@given(st.binary(max_size=2000))
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe")
def test_random_bytes(source: bytes) -> None:
    check(source)


@given(st.text(max_size=500))
@example("\ud800")
def test_random_text(text: str) -> None:
    check(text)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_random_yaml(text: str) -> None:
    check(text)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A good file after a few slips: something inserted, deleted, doubled or moved."""
    text = WHOLE
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        middle = draw(st.just("") | PIECES | st.just(text[start:end] * 2) | st.just(text[start:end][::-1]))
        text = text[:start] + middle + text[end:]
    return text


@given(mutations())
def test_good_files_with_slips(text: str) -> None:
    check(text)
    check(text.encode("utf-8", "surrogatepass"))


@given(
    st.sampled_from(
        ["[", "{", "- ", "? ", "a: ", "[a, ", "{a: ", "!", "&a ", "*a ", "<<: ", "- &a [*a, ", "'", "\\"]
    )
)
def test_endless_repetition(piece: str) -> None:
    check(piece * (2 * 1024 * 1024 // len(piece)))


@given(st.text(max_size=60) | st.lists(PIECES, max_size=10).map("".join))
def test_random_assignments(text: str) -> None:
    for assignment in (text, f"{text}=1", f"spec.{text}=x", f"checkpoint.keep={text}", f"template={text}"):
        result = apply(JOB, [assignment])
        assert all(str(error).startswith("--set ") for error in result.errors)
        assert result.errors or result.origins
    values, errors = workload_args("cnn", [text, f"epochs={text}", f"layers={text}"])
    assert errors or len(values) >= 2
