"""The command line of the built-in programs against the catalog."""

import subprocess
import sys

import msgspec
import pytest

from orchestrator.api.catalog import WORKLOADS, Workload
from orchestrator.core.plan import workload_args
from orchestrator.train import Context
from orchestrator.workloads.__main__ import main, require_place
from orchestrator.workloads.arguments import UsageError, parse, render_help, render_words, wants_help
from orchestrator.workloads.options import OPTIONS, CnnOptions, MlpOptions, PerceptronOptions, RnnOptions

EVERY = pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS.keys())


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(words)
    return str(caught.value)


@EVERY
def test_the_options_are_the_arguments_of_the_catalog(workload: Workload) -> None:
    fields = [field.name for field in msgspec.structs.fields(OPTIONS[workload.name])]
    assert sorted(fields) == sorted(argument.name for argument in workload.arguments)


@EVERY
def test_without_arguments_the_defaults_of_the_catalog_hold(workload: Workload) -> None:
    options = parse([workload.name])
    assert type(options) is OPTIONS[workload.name]
    assert msgspec.structs.asdict(options) == workload.defaults


@EVERY
def test_what_the_planner_writes_is_read_back(workload: Workload) -> None:
    """`tfo run` and the pods' command lines come from `core.plan`."""
    words = workload_args(msgspec.json.decode(msgspec.json.encode(workload.defaults)))
    assert parse([workload.name, *words]) == parse([workload.name])
    assert parse(render_words(workload.name, workload.defaults)) == parse([workload.name])


@pytest.mark.parametrize(
    "words",
    [
        ("--epochs", "3", "--layers", "128,64"),
        ("--epochs=3", "--layers=[128,64]"),
        ("--layers=[128, 64]", "--epochs=3.0"),
        ("--epochs", "7", "--epochs", "3", "--layers", "[128,64]"),
    ],
)
def test_values_may_stand_in_several_ways_and_the_last_holds(words: tuple[str, ...]) -> None:
    options = parse(["mlp", *words])
    assert isinstance(options, MlpOptions)
    assert (options.epochs, options.layers) == (3, (128, 64))


def test_no_layers_is_a_list_without_entries() -> None:
    for text in ("[]", ""):
        options = parse(["mlp", f"--layers={text}"])
        assert isinstance(options, MlpOptions)
        assert options.layers == ()


def test_names_may_be_written_with_hyphens() -> None:
    options = parse(["cnn", "--batch-size", "32", "--learning-rate=1e-2"])
    assert isinstance(options, CnnOptions)
    assert (options.batch_size, options.learning_rate) == (32, 0.01)


def test_a_boolean_alone_is_true_and_a_negative_number_is_a_value() -> None:
    rnn = parse(["rnn", "--export", "--summaries=false", "--cell", "gru"])
    assert isinstance(rnn, RnnOptions)
    assert (rnn.export, rnn.summaries, rnn.cell) == (True, False, "gru")
    perceptron = parse(["perceptron", "--threshold", "-0.5"])
    assert isinstance(perceptron, PerceptronOptions)
    assert perceptron.threshold == -0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "which program? First comes its name: perceptron, mlp, cnn, rnn"),
        (("--epochs=3",), "which program?"),
        (("percepton",), "unknown built-in program 'percepton'; did you mean 'perceptron'?"),
        (("cnn", "--epoch=3"), "cnn: unknown argument 'epoch'; did you mean 'epochs'?"),
        (("cnn", "--units=3"), "cnn: unknown argument 'units'"),
        (("cnn", "--epochs=x"), "--epochs: expected a whole number"),
        (("cnn", "--epochs=0"), "--epochs: "),
        (("cnn", "--epochs"), "--epochs needs a value"),
        (("cnn", "--epochs", "--seed=1"), "--epochs needs a value"),
        (("cnn", "5"), "unexpected '5'; arguments are written --name value"),
        (("cnn", "--"), "unexpected '--'"),
        (("cnn", "--filters=8"), "--filters: must have 2 entries, has 1"),
        (("mlp", "--layers=a,b"), "--layers: "),
        (("mlp", "--activation=heaviside"), "--activation: 'heaviside' is not trainable"),
        (("mlp", "--activation=rellu"), "did you mean 'relu'?"),
        (("mlp", "--dropout=1"), "--dropout: "),
        (("rnn", "--cell=lstn"), "did you mean 'lstm'?"),
        (("rnn", "--export=maybe"), "--export: expected true or false"),
        (("cnn", "--data=minst"), "did you mean 'mnist'?"),
    ],
)
def test_a_wrong_word_is_refused_with_what_would_be_right(words: tuple[str, ...], message: str) -> None:
    assert message in refusal(*words)


def test_a_path_is_taken_for_the_data() -> None:
    options = parse(["cnn", "--data=my/own.npz"])
    assert isinstance(options, CnnOptions)
    assert options.data == "my/own.npz"


@EVERY
def test_help_names_every_argument_with_its_default(workload: Workload) -> None:
    assert wants_help([workload.name, "--help"])
    text = render_help([workload.name, "--help"])
    assert all(f"--{argument.name} " in text for argument in workload.arguments)
    assert workload.name in render_help(["--help"])


def test_wrong_input_ends_with_code_2_and_help_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cnn", "--epoch=3"]) == 2
    assert capsys.readouterr().err.startswith("error: cnn: unknown argument 'epoch'")
    assert main(["--help"]) == 0
    assert main([]) == 2


def test_data_that_cannot_be_used_ends_with_code_2_before_tensorflow_is_loaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    was_loaded = "tensorflow" in sys.modules
    assert main(["cnn", "--data=/nowhere/own.npz"]) == 2
    assert capsys.readouterr().err == "error: /nowhere/own.npz: there is no such file\n"
    assert ("tensorflow" in sys.modules) == was_loaded


def test_the_perceptron_is_one_process() -> None:
    options = parse(["perceptron"])
    require_place(options, Context())
    for me in (Context(world_size=3), Context(role="evaluator")):
        with pytest.raises(UsageError, match="perceptron is one process"):
            require_place(options, me)


def test_an_evaluator_needs_checkpoints() -> None:
    options = parse(["cnn"])
    require_place(options, Context(role="evaluator", checkpoint_dir="/checkpoints"))
    with pytest.raises(UsageError, match="TFO_CHECKPOINT_DIR is not set"):
        require_place(options, Context(role="evaluator"))


@pytest.mark.process
def test_help_and_errors_come_without_loading_tensorflow() -> None:
    code = (
        "import sys\n"
        "from orchestrator.workloads.__main__ import main\n"
        "assert main(['cnn', '--help']) == 0 and main(['cnn', '--epochs=x']) == 2\n"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
