import eventlet

eventlet.monkey_patch(thread=False)
