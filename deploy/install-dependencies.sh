#!/bin/sh
# install-dependencies.sh PYTHON [--extra NAME …]
# Installs what pyproject.toml asks for, in the versions of constraints.txt, into PYTHON's
# environment. $UV is the uv command; $TORCH_BACKEND says where torch comes from: cpu, auto, a uv
# backend such as cu128, or index.
set -eu
python=$1
shift
uv=${UV:-uv}
backend=${TORCH_BACKEND:-cpu}

from="the package index (on Linux with 2.5 GB of CUDA libraries)"
set -- --python "$python" --requirements pyproject.toml "$@" --constraints constraints.txt
if [ "$backend" != index ]; then
    # a backend that uv does not know is an error; nothing is downloaded here
    $uv pip compile --offline --torch-backend "$backend" /dev/null > /dev/null
    # torch's own download place is not reachable from everywhere: ask once, and be quick
    if UV_HTTP_RETRIES=0 UV_HTTP_CONNECT_TIMEOUT=5 UV_HTTP_TIMEOUT=10 $uv pip install \
        --python "$python" --dry-run --no-deps --reinstall --constraints constraints.txt \
        --torch-backend "$backend" torch 2> /dev/null
    then
        set -- "$@" --torch-backend "$backend"
        from="its own index ($backend)"
    fi
fi
echo "Installing what eventwire needs, torch from $from" >&2
$uv pip install "$@"
