"""Several clips, one after the other: each acts on what the one before it has left.

    clip=chain 'clip.parts=["value clip_value=0.5", "norm max_norm=2"]'

A part is the name of a clip and, where they differ from their defaults, its keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from seqablate.clip.base import Clip, ClipResult, measured
from seqablate.config.compose import compose_values
from seqablate.config.keys import check_config, key
from seqablate.config.overrides import read_words
from seqablate.config.registry import variant
from seqablate.errors import UsageError

if TYPE_CHECKING:
    import torch

    from seqablate.engine.ports import StateClip


def _part(words: str) -> Any:
    """The config of one part: ``norm max_norm=2`` (UsageError for one that does not exist)."""
    name, *keys = words.split() or [""]
    values = compose_values(read_words([f"clip={name}", *(f"clip.{word}" for word in keys)]))
    config = OmegaConf.to_object(values.clip)
    check_config(config, "clip.")
    return config


def _parts(key: str, parts: list[str]) -> None:
    if not parts:
        raise UsageError(f"{key}=[]: name at least one clip; with none it would be clip=none")
    if any(words.split()[:1] == ["chain"] for words in parts):
        raise UsageError(f"{key}: a chain cannot be a part of a chain; name its parts")
    for words in parts:
        try:
            _part(words)
        except UsageError as error:
            raise UsageError(f"{key}: in {words!r}: {error}") from error


@variant("clip", "chain")
@dataclass(kw_only=True, slots=True)
class ChainClipConfig:
    """Several clips in order, each with keys of its own."""

    parts: list[str] = key(_parts, "each a clip and its keys, such as 'norm max_norm=2', in their order")

    def check_keys(self) -> None:
        if sum(config.build().inside(1) is not None for config in self.configs) > 1:
            raise UsageError("clip.parts: only one of them can act inside of the recurrence")

    @property
    def configs(self) -> list[Any]:
        """Of the parts."""
        return [_part(words) for words in self.parts]

    def build(self) -> ChainClip:
        """The strategy."""
        return ChainClip([config.build() for config in self.configs])


@dataclass(frozen=True, slots=True)
class ChainClip(Clip):
    """See :class:`seqablate.clip.base.Clip`."""

    parts: list[Clip]

    def prepare(self, model: torch.nn.Module) -> None:
        for part in self.parts:
            part.prepare(model)

    def inside(self, samples: int) -> StateClip | None:
        return next((clip for part in self.parts if (clip := part.inside(samples)) is not None), None)

    def __call__(self, parameters: Sequence[torch.Tensor]) -> ClipResult:
        first = last = measured(parameters)
        clipped = first.clipped
        for part in self.parts:
            last = part(parameters)
            clipped = clipped | last.clipped
        return ClipResult(norm_before=first.norm_before, norm_after=last.norm_after, clipped=clipped)

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {f"{k}.{name}": value for k, part in enumerate(self.parts) for name, value in part.state_dict().items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        places = [name.partition(".") for name in state]
        if not all(number.isdigit() and int(number) < len(self.parts) for number, _, _ in places):
            raise ValueError("this clip remembers what its parts remember")
        for k, part in enumerate(self.parts):
            part.load_state_dict({name: state[f"{k}.{name}"] for number, _, name in places if number == str(k)})
