"""What may be asked, and what it means: the vocabulary of an experiment. No torch."""

from seqmatch.config.faults import UNUSABLE
from seqmatch.config.reading import check_words, default_file, laid_over, read, typed
from seqmatch.config.resolve import Experiment, Run, load
from seqmatch.config.sections import (
    NAME,
    AlignmentMatching,
    Architecture,
    CompileMode,
    CondensationMatching,
    Coreset,
    Coupling,
    Dataset,
    Difficulty,
    DistributionMatching,
    Evaluation,
    Experts,
    External,
    GradientMatching,
    HallucinationMatching,
    KernelMatching,
    LearnedLabels,
    LearningMatching,
    Matching,
    Precision,
    RangedMatching,
    Section,
    Training,
    TrajectoryMatching,
    UnrolledMatching,
)
