"""Work that pages and programs ask for, done one after the other in a process of its own.

`kinds.py`: what may be asked for, and with which options. `work.py`: what each of them calls. `worker.py`: the process
that does the next one. `runner.py`: the thread of the server that starts it, hears it, and stops it.
"""
