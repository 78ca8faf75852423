from gevent import monkey

monkey.patch_all(thread=False, subprocess=False, select=False, socket=False)
