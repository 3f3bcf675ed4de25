# The workflow with all that its jobs need, versions and checksums as in requirements.lock. About 8 GB, CUDA's libraries
# among them; a GPU needs nothing but the host's driver.
#
#   docker build -t seqmatch .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/work" seqmatch --cores all results/table1.csv
#
# For a pod of Kubernetes: docs/guide/storage-and-cloud.md. For Apptainer: apptainer build seqmatch.sif docker-daemon:seqmatch:latest
FROM python:3.12-slim

# g++: PyTorch's compiler; git: Snakemake, for workflows out of git; rsync: its storage in folders.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git rsync \
    && rm -rf /var/lib/apt/lists/*

COPY requirements.lock /opt/seqmatch/
RUN pip install --no-cache-dir --require-hashes -r /opt/seqmatch/requirements.lock

COPY . /opt/seqmatch/

# Any user may run it, also one without a name or a home.
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/seqmatch/workflow/Snakefile"]
CMD ["--help"]
