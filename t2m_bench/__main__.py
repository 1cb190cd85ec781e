"""`python -m t2m_bench` is the same as the command `t2m-bench`."""

from t2m_bench.cli import main

if __name__ == "__main__":
    main()
