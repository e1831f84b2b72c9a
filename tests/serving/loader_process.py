"""Runs calls through the C++ loader, in a process that imports no TensorFlow.

Reads a pickled job from standard input, writes the pickled answer to standard output.
"""

import pickle
import sys
from concurrent import futures

import saved_model_loader


def call(session, signature, arrays):
    try:
        return session.run(signature, **arrays)
    except saved_model_loader.LoaderError as error:
        return error.code, str(error)
    except KeyError as error:
        return "KeyError", error.args[0]


def calls(session, work):
    return [call(session, *arguments) for arguments in work]


def main():
    job = pickle.load(sys.stdin.buffer)
    if not job["xla"]:
        saved_model_loader.disable_xla()
    sessions = [saved_model_loader.SavedModel(job["path"]) for _ in range(job["sessions"])]
    # Every session makes every call in every thread, all at the same time.
    rounds = [session for session in sessions for _ in range(job["threads"])]
    with futures.ThreadPoolExecutor(len(rounds)) as pool:
        results = list(pool.map(lambda session: calls(session, job["calls"]), rounds))
    for session in sessions:
        session.close()
    pickle.dump(
        {
            "signatures": sorted(sessions[0].signatures),
            "modules": {name.partition(".")[0] for name in sys.modules},
            "rounds": results,
        },
        sys.stdout.buffer,
    )


if __name__ == "__main__":
    main()
