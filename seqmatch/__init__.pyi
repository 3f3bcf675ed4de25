"""What `import seqmatch` offers, for editors and type checkers: `__init__.py` loads it when it is used."""

from seqmatch import config as config
from seqmatch import sets as sets
from seqmatch.errors import SeqmatchError as SeqmatchError
from seqmatch.sets.distilled import Distilled as Distilled
from seqmatch.sets.distilled import load as load
from seqmatch.sets.distilled import save as save
from seqmatch.sets.exports import export as export
from seqmatch.sets.external import from_files as from_files
from seqmatch.sets.external import from_tensors as from_tensors
from seqmatch.sets.learning import Accuracies as Accuracies
from seqmatch.sets.learning import evaluate as evaluate
from seqmatch.sets.learning import train as train
from seqmatch.sets.real import test_images as test_images
from seqmatch.sets.real import training_images as training_images

__version__: str
