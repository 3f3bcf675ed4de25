# Where the files of this workflow lie. Scripts and library are run as files, so where Snakemake reads the workflow out of
# git (`github(…)` in a `module`), the commit is unpacked, once.
import io
import os
import shutil
import tarfile
from pathlib import Path
from tempfile import mkdtemp


def checkout(rules):
    """The folder of the workflow whose folder of rules this is."""
    if isinstance(rules, os.PathLike):
        return Path(rules).parent.parent
    if hasattr(rules, "hosted_repo"):  # github(…), gitlab(…)
        return unpacked(rules.hosted_repo.repo, rules.ref)
    if hasattr(rules, "repo_path"):  # git+file:…
        from git import Repo  # here, because it takes long to import

        return unpacked(Repo(rules.repo_path), rules.ref)
    raise WorkflowError(
        f"{rules}: this workflow needs its whole repository: give a folder, github(…), gitlab(…) or git+file:…, not the "
        "URL of its Snakefile"
    )


def unpacked(repository, ref):
    """A folder, in Snakemake's cache, with the files of a commit."""
    commit = repository.commit(ref)
    folder = Path(workflow.sourcecache.cache_path, "seqmatch", commit.hexsha)
    if folder.is_dir():
        return folder
    files = io.BytesIO()
    repository.archive(files, commit.hexsha)
    files.seek(0)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
    with tarfile.open(fileobj=files) as archive:
        archive.extractall(temporary, filter="data")
    try:
        os.rename(temporary, folder)
    except OSError:  # another process was faster
        shutil.rmtree(temporary)
    return folder


ROOT = checkout(workflow.current_basedir)
