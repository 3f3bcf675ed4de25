"""Commands: what scripts, tools and `seqmatch` share, and the command `seqmatch` itself."""

from seqmatch.command.arguments import (
    add_configuration,
    add_images_per_class,
    add_section,
    add_sizes,
    between,
    count,
    figure_file,
    file,
    gigabytes,
    images_per_class,
    json_object,
    json_value,
    name,
    number,
    parser,
    path,
    rate,
    seconds,
    section,
    sizes_of,
    table_file,
    title,
    validated,
    words,
)
from seqmatch.command.frame import DONE, Finished, parameters, run
