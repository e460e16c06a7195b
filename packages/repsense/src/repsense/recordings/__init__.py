"""Recordings: labelled stretches of samples, and the forms in which they are kept and exchanged.

| module | holds |
|---|---|
| `recording` | what a recording is, its id, its label |
| `tables` | CSV and Parquet tables with a row per sample |
| `archive` | RepSense's own export, exact |
| `edge_impulse` | the data acquisition format of Edge Impulse |
| `legacy_pickle` | the prototype's pickles, read without being loaded |
| `unpacking` | what others send, laid out to be read, whatever they try |
| `formats` | all of these by their names, in files and in memory |
| `inspection` | what is in them, and what will do harm in a training |
| `stretches` | from stored samples to stretches without interruption |
| `movement`, `peaks` | how much moves in them, from when to when, and how often |
| `stored` | the document database; needs pymongo and is not imported here |
"""

from repsense.recordings.formats import (
    ExportFormat,
    export_bytes,
    is_readable,
    read_bytes,
    read_file,
    write_recordings,
)
from repsense.recordings.recording import Recording, recording_id, relabelled
from repsense.recordings.tables import TableColumns, read_recordings

__all__ = [
    "ExportFormat",
    "Recording",
    "TableColumns",
    "export_bytes",
    "is_readable",
    "read_bytes",
    "read_file",
    "read_recordings",
    "recording_id",
    "relabelled",
    "write_recordings",
]
