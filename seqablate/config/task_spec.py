"""What a model is told of a task: what is known from the config alone, and then the sizes that only the data know."""

from __future__ import annotations

from dataclasses import dataclass, fields

EVAL_BATCH = 250  # sequences that an evaluation reads at once: small enough for the cache, large enough to be fast


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTraits:
    """The kind of a task, known before any data are read, so that what does not fit is refused before a run begins.

    Args:
        horizon: timesteps over which a dependency can reach: the longest sequence, or the window of truncated
            backpropagation.
        length: timesteps T where every sequence has the same number, else None.
        tokens: inputs are token ids (the model embeds them) rather than real vectors.
        every_step: the loss is taken at every timestep; otherwise after each sample's last valid step only.
        carries_state: the state after one training batch is where the next begins (truncated backpropagation).
        causal_only: an input holds the target of the step before it: no output may see a later input.
        source_steps: of a transduction, the steps before the first target: the source. Each later input is the target
            of the step before it (teacher forcing), and only these later steps have a loss.
        longest: timesteps of the longest sequence that a model is given, where lengths vary: evaluations may go beyond
            the horizon, which is that of training.
        image: height and width if the timesteps are the pixels of an image, row by row.
    """

    horizon: int
    length: int | None = None
    tokens: bool = False
    every_step: bool = False
    carries_state: bool = False
    causal_only: bool = False
    source_steps: int | None = None
    longest: int | None = None
    image: tuple[int, int] | None = None

    def sized(self, input_size: int, output_size: int) -> TaskSpec:
        """The same with sizes."""
        kind = {f.name: getattr(self, f.name) for f in fields(self)}
        return TaskSpec(**kind, input_size=input_size, output_size=output_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec(TaskTraits):
    """All that a model must know of a task in order to fit it.

    Args:
        input_size: features I of a real-valued input, or the vocabulary size V of token input.
        output_size: outputs O.
    """

    input_size: int
    output_size: int
