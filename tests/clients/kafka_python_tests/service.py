"""Stands for the module of this name that kafka-python's source package lacks: its integration tests at a broker that is
there already, whose life is not theirs."""


class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def start(self):
        pass

    def stop(self):
        pass

    def dump_logs(self):
        pass

    def wait_for(self, pattern, timeout=None):
        return True


class SpawnedService:
    def __init__(self, *args):
        raise NotImplementedError("these tests start no broker of their own")
