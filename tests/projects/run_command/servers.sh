# Starts two programs, with a module path of its own, and ends both when it ends.
export PYTHONPATH="$PWD/modules${PYTHONPATH:+:$PYTHONPATH}"
trap 'kill 0' EXIT
"$1" talk.py 1 &
first=$!
"$1" talk.py 1 &
wait $first $!
