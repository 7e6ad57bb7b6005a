"""The protocol buffers of TensorBoard's stock plugins, made without torch or TensorFlow."""

from __future__ import annotations

import struct

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.text import metadata as text

from seqablate.config.flat import flat_config
from seqablate.record.rows import Header


def text_value(tag: str, content: str) -> Summary.Value:
    """A text, shown as it is (as a Markdown code block)."""
    metadata = text.create_summary_metadata(display_name="", description="")
    block = "".join(f"    {line}\n" for line in content.splitlines())
    tensor = _strings([block.encode()], TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]))
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def heatmap_value(tag: str, png: bytes) -> Summary.Value:
    """A picture from the bytes of a PNG file (whose header holds its size)."""
    width, height = struct.unpack(">II", png[16:24])
    return Summary.Value(
        tag=tag, image=Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    )


def layout_value(sections: dict[str, dict[str, str]]) -> Summary.Value:
    """The Custom scalars page: in each section, a chart for each title, of the tags that its pattern matches."""
    layout = layout_pb2.Layout()
    for section, charts in sections.items():
        category = layout.category.add(title=section)
        for title, pattern in charts.items():
            category.chart.add(title=title, multiline=layout_pb2.MultilineChartContent(tag=[pattern]))
    return Summary.Value(
        tag=custom_scalars.CONFIG_SUMMARY_TAG,
        metadata=custom_scalars.create_summary_metadata(),
        tensor=_strings([layout.SerializeToString()], TensorShapeProto()),
    )


def hparam_values(header: Header, status: str) -> list[Summary.Value]:
    """The HParams page's row: every config value.

    No list of columns goes with it: TensorBoard would show the first run's columns alone, where it otherwise shows
    those of all runs.

    Args:
        header: the record's first row, which holds the config.
        status: how the run ended.
    """
    start = plugin_data_pb2.SessionStartInfo(group_name=header.name)
    for name, value in flat_config(header.config).items():
        if isinstance(value, float):
            start.hparams[name].number_value = value
        else:  # as text: TensorBoard mixes up booleans and integers
            start.hparams[name].string_value = str(value)
    ended = api_pb2.STATUS_SUCCESS if status == "done" else api_pb2.STATUS_FAILURE
    version = hparams.PLUGIN_DATA_VERSION
    contents = {
        hparams.SESSION_START_INFO_TAG: {"session_start_info": start},
        hparams.SESSION_END_INFO_TAG: {"session_end_info": plugin_data_pb2.SessionEndInfo(status=ended)},
    }
    return [
        Summary.Value(
            tag=tag,
            metadata=hparams.create_summary_metadata(plugin_data_pb2.HParamsPluginData(version=version, **content)),
            tensor=hparams.NULL_TENSOR,
        )
        for tag, content in contents.items()
    ]


def _strings(content: list[bytes], shape: TensorShapeProto) -> TensorProto:
    return TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=content)
