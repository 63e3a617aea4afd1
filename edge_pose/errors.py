"""Every error of the package. Each one also is the builtin that it refines.

EdgePoseError
├── ShapeError (ValueError)             an array of another shape or type than the argument wants
├── ImageError (ValueError)             an array that is no (H, W, 3) uint8 picture
├── TimeError (ValueError)              time stood still or ran backwards
├── SpecError (ValueError)              a model specification that is missing, unknown or wrong
├── EventError (ValueError)             an event with a field that is missing, unknown or wrong
├── AlertError (ValueError)             where alerts are to go cannot be used: secret, certificate
│   └── AddressError                    the address itself is wrong
├── CheckpointError (ValueError)        weights that cannot be read, or do not fit the network
├── ModelNotFoundError (LookupError)    no model of that name, no file at that path
├── MissingDependencyError (ImportError)  an optional package is not installed
├── BackendError (RuntimeError)         the engine refused the model or failed on it
│   ├── DeviceError                     the device that was asked for cannot be had
│   └── StaleEngineError                an engine of another TensorRT, for another GPU or from another ONNX file
├── PipelineError (RuntimeError)        a pipeline is asked for what it cannot do
├── ExtractionError (RuntimeError)      a folder was not extracted, or not wholly
├── ExportError (RuntimeError)          a model cannot be exported as asked; what was there before stays
├── DownloadError (OSError)             a model could not be fetched
│   └── ChecksumError                   it was fetched, but is not the file the zoo names
├── SourceError (OSError)               frames cannot be read
├── RecordingError (ValueError)         a recording that cannot be replayed: damaged, or of another version
├── WebError (OSError)                  the web page cannot be served as asked
└── OutputError (OSError)               results cannot be written
"""


class EdgePoseError(Exception):
    """Base of all errors that this package raises on purpose."""


class ShapeError(EdgePoseError, ValueError):
    """An array has another shape or type than the argument wants."""


class ImageError(EdgePoseError, ValueError):
    """An array is not a picture as OpenCV delivers it: (H, W, 3) uint8 BGR."""


class TimeError(EdgePoseError, ValueError):
    """Time stood still or ran backwards."""


class SpecError(EdgePoseError, ValueError):
    """A model specification is missing, has an unknown field, or a wrong value."""


class EventError(EdgePoseError, ValueError):
    """An event of the fall alarm has a field that is missing, unknown or wrong."""


class AlertError(EdgePoseError, ValueError):
    """Where alerts are to go cannot be used: a wrong address, a secret or certificate that cannot be read."""


class AddressError(AlertError):
    """The address of a broker or a webhook is none, or holds what it must not."""


class CheckpointError(EdgePoseError, ValueError):
    """Weights cannot be read safely, or do not fit the network."""


class ModelNotFoundError(EdgePoseError, LookupError):
    """There is no model of that name, or no file at that path."""


class MissingDependencyError(EdgePoseError, ImportError):
    """An optional package is not installed; the message has the command that installs it."""


class BackendError(EdgePoseError, RuntimeError):
    """The inference engine refused the model or failed while running it."""


class DeviceError(BackendError):
    """The device that was asked for cannot be had."""


class StaleEngineError(BackendError):
    """A TensorRT engine was built by another version, for another GPU or from another ONNX file: build it again."""


class PipelineError(EdgePoseError, RuntimeError):
    """A pipeline is asked for what it cannot do, or after it was closed."""


class ExtractionError(EdgePoseError, RuntimeError):
    """A folder was not extracted, or not wholly; what was done stays and need not be done again."""


class ExportError(EdgePoseError, RuntimeError):
    """A model cannot be exported as asked; what was there before stays."""


class DownloadError(EdgePoseError, OSError):
    """A model could not be fetched."""


class ChecksumError(DownloadError):
    """A file was fetched, but it is not the one that the zoo names."""


class SourceError(EdgePoseError, OSError):
    """Frames cannot be read from the source."""


class RecordingError(EdgePoseError, ValueError):
    """A recording cannot be replayed: it is damaged, none at all, or of another version."""


class WebError(EdgePoseError, OSError):
    """The web page cannot be served as asked: address, port, token, zones."""


class OutputError(EdgePoseError, OSError):
    """Results cannot be written."""
