"""A character-level LSTM language model in plain torch, to hold `seqablate train task=lm` against.

Model, initialisation, windows, training loop and evaluation are written out here; only the reading of the text is
shared, so that both see the same tokens. Prints validation bits per character.

    python scripts/lm_reference.py --steps 2000
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import nn

from seqablate.tasks.corpus import Level, load_corpus

State = tuple[torch.Tensor, torch.Tensor]  # h and c, [1, B, D] each


class CharLSTM(nn.Module):
    """Embedding, one LSTM layer, linear; torch's initial values but for the two lines that say otherwise."""

    def __init__(self, vocabulary_size: int, hidden_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, hidden_size)
        self.lstm = nn.LSTM(hidden_size, hidden_size)
        self.linear = nn.Linear(hidden_size, vocabulary_size)
        parameters = dict(self.lstm.named_parameters())
        with torch.no_grad():
            for weight_DD in parameters["weight_hh_l0"].split(hidden_size):
                nn.init.orthogonal_(weight_DD)
            # torch adds two biases and orders the gates input, forget, cell, output.
            parameters["bias_ih_l0"][hidden_size : 2 * hidden_size] = 1.0
            parameters["bias_hh_l0"][hidden_size : 2 * hidden_size] = 0.0

    def forward(self, x_TB: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        h_TBD, state = self.lstm(self.embedding(x_TB), state)
        return self.linear(h_TBD), state


def main() -> None:
    args = parse_arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    corpus = load_corpus(args.corpus, Level.char, 0)
    ids = {split: torch.from_numpy(part).long() for split, part in corpus.ids.items()}
    model = CharLSTM(len(corpus.vocabulary), args.hidden_size)
    started = time.perf_counter()
    train(model, ids["train"], args)
    seconds = time.perf_counter() - started
    bits, tokens = evaluate(model, ids["validation"], args.bptt, args.eval_size)
    print(f"{bits:.4f} bits per character on {tokens} validation tokens; {args.steps} steps in {seconds:.1f} s")


def train(model: nn.Module, ids: torch.Tensor, args: argparse.Namespace) -> None:
    """Truncated backpropagation through time over B contiguous streams."""
    B, T = args.batch_size, args.bptt
    windows = (len(ids) - 1) // (B * T)
    x_BN, y_BN = (ids[shift : shift + B * T * windows].view(B, -1) for shift in (0, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    state: State | None = None
    for step in range(args.steps):
        start = step % windows * T
        state = None if start == 0 or state is None else (state[0].detach(), state[1].detach())
        logits, state = model(x_BN[:, start : start + T].T, state)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), y_BN[:, start : start + T].T.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), args.clip)
        optimizer.step()


@torch.no_grad()
def evaluate(model: nn.Module, ids: torch.Tensor, bptt: int, eval_size: int) -> tuple[float, int]:
    """Bits per character and how many characters, in the streams that `seqablate` evaluates on.

    At most ``eval_size`` stretches of ``bptt`` characters, in up to 32 streams of 8 stretches or more. A stream is read
    in one call: carrying the state through windows gives the same numbers.
    """
    stretches = min(eval_size, (len(ids) - 1) // bptt)
    streams = min(32, max(1, stretches // 8))
    length = stretches // streams * bptt
    x_TB, y_TB = (ids[shift : shift + streams * length].view(streams, length).T for shift in (0, 1))
    logits, _ = model(x_TB, None)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), y_TB.flatten())
    return loss.item() / math.log(2), y_TB.numel()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train a character-level LSTM in plain torch and print its validation bits per character.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--corpus", default="pydoc", help="as task.corpus of seqablate")
    parser.add_argument("--hidden-size", type=int, default=64, help="units of the LSTM and of the embedding")
    parser.add_argument("--batch-size", type=int, default=32, help="contiguous streams read side by side")
    parser.add_argument("--bptt", type=int, default=64, help="steps the gradient flows back")
    parser.add_argument("--steps", type=int, default=2000, help="updates")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate of Adam")
    parser.add_argument("--clip", type=float, default=1.0, help="largest global gradient norm")
    parser.add_argument("--eval-size", type=int, default=2000, help="most stretches of bptt characters to evaluate on")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial values")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


if __name__ == "__main__":
    main()
