class EventView:
    def __init__(self, path): pass
    def add(self,row): pass
    def flush(self): pass
    def finish(self, record): pass
def rebuild_events(path): return EventView(path)
