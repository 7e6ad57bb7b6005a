from __future__ import annotations

from pathlib import Path

import pytest
from choices import task_for

from seqablate.assemble import build_task, match_parameters
from seqablate.config.codec import digest, from_plain, to_plain
from seqablate.config.compose import compose_config
from seqablate.config.overrides import expand_sweep
from seqablate.config.registry import ALL_GROUPS, GROUPS, SEVERAL, registered, variant, variants
from seqablate.errors import UsageError

CONFIGS = Path(__file__).parents[2] / "configs"
MODELS = ", ".join(sorted(path.stem for path in (CONFIGS / "model").glob("*.yaml")))
# What a user may type wrong, and what the one line must name: the place, and what would be right.
MISTAKES = [
    (["model=foo"], ["model=foo", MODELS]),
    (["model=lstn"], ["did you mean model=lstm"]),
    (["mdl=lstm"], ["mdl", "did you mean model"]),
    (["lr=0.1"], ["unknown key lr", "did you mean optim.lr?"]),
    (["hidden_size=3"], ["unknown key hidden_size", "did you mean model.hidden_size?"]),
    (["model.hidden_sze=3"], ["model.hidden_sze", "did you mean model.hidden_size"]),
    (["clip=none", "clip.max_norm=3"], ["clip.max_norm", "clip=norm"]),
    (["+foo=1"], ["unknown key foo"]),
    (["++model.x=3"], ["unknown key model.x"]),
    (["steps=abc"], ["steps=abc", "whole number"]),
    (["steps=1.5"], ["steps=1.5", "whole number"]),
    (["steps=0"], ["steps=0", "at least 1"]),
    (["seed=-1"], ["seed=-1", "at least 0"]),
    (["task.variant=zzz"], ["task.variant=zzz", "arjovsky, tcn, pascanu, hs97"]),
    (["dtype=float16"], ["dtype=float16", "float32, float64"]),
    (["clip.max_norm=-1"], ["clip.max_norm=-1", "positive"]),
    (["clip.max_norm=0"], ["clip.max_norm=0", "positive"]),
    (["clip=value", "clip.clip_value=0"], ["clip.clip_value=0", "positive"]),
    (["optim.lr=0"], ["optim.lr=0", "positive"]),
    (["optim.lr=nan"], ["optim.lr=nan", "positive"]),
    (["optim.lr=inf"], ["optim.lr=inf", "finite"]),
    (["optim.betas=[0.9]"], ["optim.betas", "two numbers"]),
    (["optim.betas=[0.9,1.0]"], ["optim.betas=1.0", "below 1"]),
    (["optim=momentum", "optim.momentum=0", "optim.nesterov=true"], ["optim.nesterov", "optim.momentum"]),
    (["task.length=3"], ["task.length=3", "at least 10"]),
    (["task.variant=hs97", "task.length=20"], ["task.length=20", "at least 22"]),
    (["task=temporal_order", "task.symbols=4"], ["task.symbols=4", "2 or 3"]),
    (["model.dropout=1"], ["model.dropout=1", "below 1"]),
    (["model.dropout=0.1"], ["model.dropout=0.1", "num_layers"]),
    (["model.forget_bias=nan"], ["model.forget_bias"]),
    (["task=lm", "model.bidirectional=true"], ["model.bidirectional=true", "next-token"]),
    (["schedule=cosine", "schedule.final_factor=2"], ["schedule.final_factor=2"]),
    (["schedule=step", "schedule.step_size=0"], ["schedule.step_size=0"]),
    (["probe.every=-1"], ["probe.every=-1"]),
    (["eval.every=0"], ["eval.every=0", "at least 1"]),
    (["device=gpu"], ["device=gpu", "auto, cpu, cuda"]),
    (["name=a/b"], ["name='a/b'", "folder name"]),
    (["seed=1,2"], ["seed=1,2", "-m"]),
    (["seed=range(3)"], ["seed=range(3)", "-m"]),
    (["optim.lr"], ["optim.lr", "key=value"]),
    (["a b=3"], ["a b=3", "cannot be a key"]),
    (["~clip"], ["~clip", "cannot be deleted", "choose one of adaptive, chain, layer, none, norm"]),
    (["model=null"], ["model=null", "choose from cnn, gru, lrnn, lru, lstm"]),
    (["quiet=maybe"], ["quiet=maybe", "true or false"]),
    (["output_dir="], ["output_dir", "empty"]),
    (["seed=${nope}"], ["seed", "nope"]),
    (["optim.betas=0.9"], ["optim.betas"]),
    (["diagnostic=[lag,lagg]"], ["diagnostic=lagg", "did you mean diagnostic=lag"]),
    (["diagnostic=lag,pairs"], ["diagnostic=lag,pairs", "cannot be swept", "diagnostic=[lag,layers]"]),
    (["~diagnostic=lag"], ["~diagnostic=lag", "list those that you want", "diagnostic=[lag,layers]"]),
    (["++diagnostic=lag"], ["write +diagnostic=lag"]),
    (["diagnostic=null"], ["diagnostic=null", "choose from lag"]),
    (["diagnostic.lag=1"], ["unknown key diagnostic.lag"]),
]


@pytest.mark.parametrize(("overrides", "named"), MISTAKES, ids=lambda v: " ".join(v))
def test_a_mistake_gets_one_line_that_names_it(overrides, named):
    with pytest.raises(UsageError) as caught:
        compose_config(overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in named), message


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], ["profile", "layers", "lag", "pairs"]),
        (["diagnostic=[lag,profile]"], ["lag", "profile"]),
        (["diagnostic=lag"], ["lag"]),
        (["diagnostic=[]"], []),
        (["diagnostic=lag", "+diagnostic=pairs", "+diagnostic=[lag,layers]"], ["lag", "pairs", "layers"]),
        (["+diagnostic=pairs", "diagnostic=lag"], ["lag"]),
    ],
)
def test_a_run_has_the_diagnostics_that_are_listed_and_those_that_are_added(words, chosen):
    config = compose_config(words)
    assert list(config.diagnostic) == chosen
    assert from_plain(to_plain(config)) == config
    assert expand_sweep([*words, "seed=0,1"]) == [[*words, "seed=0"], [*words, "seed=1"]]


@pytest.mark.parametrize(("group", "name"), sorted((g, name) for g in GROUPS for name in variants(g)))
def test_every_registered_variant_can_be_chosen_and_comes_back_from_a_run_folder(group, name):
    needs = task_for(f"model={name}", first="").split() if group == "model" else []
    needs += ["clip=none"] if name == "random_guess" else []  # which has no gradient to clip
    config = compose_config([f"{group}={name}", *needs])
    plain = to_plain(config)
    assert list(plain[group]) == [name] if group in SEVERAL else plain[group]["name"] == name
    assert from_plain(plain) == config


@pytest.mark.parametrize("group", GROUPS)
def test_every_yaml_of_a_group_is_a_variant_and_the_other_way_round(group):
    names = [path.stem for path in (CONFIGS / group).glob("*.yaml")]
    assert len(names) >= 3
    assert variants(group) == sorted(names)


def test_a_run_that_matches_a_number_of_parameters_has_the_digest_that_its_plan_foresaw():
    """The hidden size is found when the model is built: a sweep plans the run before that."""
    asked = compose_config(["model=gru", "model.match_params=1000"])
    built = match_parameters(asked, build_task(asked))
    assert built.model.hidden_size != asked.model.hidden_size
    assert digest(built) == digest(asked)
    assert digest(asked) != digest(compose_config(["model=gru", "model.match_params=1001"]))
    assert digest(compose_config(["model.hidden_size=8"])) != digest(compose_config(["model.hidden_size=9"]))


def test_the_digest_sees_what_changes_learning_and_nothing_else():
    base = digest(compose_config([]))
    for same in (
        ["name=x"],
        ["quiet=true"],
        ["output_dir=elsewhere"],
        ["checkpoint.every=5"],
        ["device=cpu"],
        ["model=lstm"],
    ):
        assert digest(compose_config(same)) == base, same
    for other in (
        ["seed=1"],
        ["optim.lr=0.02"],
        ["model=gru"],
        ["clip.max_norm=2"],
        ["eval.seed=1"],
        ["dtype=float64"],
    ):
        assert digest(compose_config(other)) != base, other


def test_a_config_from_a_folder_is_checked_and_never_trusted():
    plain = to_plain(compose_config([]))
    with pytest.raises(UsageError, match="not installed"):
        from_plain(plain | {"model": plain["model"] | {"name": "os.system"}})
    with pytest.raises(UsageError, match=r"clip\.max_norm"):
        from_plain(plain | {"clip": {"name": "norm", "max_norm": -1.0}})
    with pytest.raises(UsageError, match="does not fit"):
        from_plain(plain | {"steps": "many"})


def test_a_sweep_is_expanded_as_hydra_does_it():
    arms = expand_sweep(["model=rnn,lstm", "seed=range(2)", "optim.betas=[0.9,0.99]"])
    assert arms == [
        ["model=rnn", "seed=0", "optim.betas=[0.9,0.99]"],
        ["model=rnn", "seed=1", "optim.betas=[0.9,0.99]"],
        ["model=lstm", "seed=0", "optim.betas=[0.9,0.99]"],
        ["model=lstm", "seed=1", "optim.betas=[0.9,0.99]"],
    ]


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="already registered"):
        variant("model", "lstm")(type("Other", (), {}))
    with pytest.raises(ValueError, match="unknown config group"):
        variant("modle", "x")
    assert all(group in ALL_GROUPS for group, _ in registered())
