"""What the drivers that are written in Python share. A driver is one client's producer and consumer, moved from
outside. It is told what to be by words NAME=VALUE:

    name, broker; id: its transactional id; timeout_ms: of its transactions; group; instance: its id as a
    static member, or nothing; isolation: read_committed or read_uncommitted

and then asked, a line at a time on its standard input. It answers each with a line of JSON, an object of what is
said here or {"error": TEXT, "is_fenced": BOOLEAN}, and ends with its input.

    init                      a producer whose id is its own now
    begin | commit | abort
    send TOPIC P:N,P:N ...    numbers N into partitions P; answered when all are acknowledged
    offsets P:O,P:O           of the topic that it is subscribed to, into the transaction, by the group's metadata
    subscribe TOPIC           a member of the group, from what is committed or the beginning
    assign TOPIC,TOPIC COUNT  all of COUNT partitions of each, from the beginning, without a group
    poll                      {"records": [[TOPIC, P, O, N], ...], "assigned": [P, ...]}; none: after a while
    seek P:O,P:O              of the topic that it is subscribed to
    told P,P                  {"offsets": {P: O}}, what the group has committed; a partition without is left out
    close                     the consumer leaves its group, the producer ends"""
import json
import sys

POLL_S = 0.1
POLL_RECORDS = 200
WAIT_S = 30


def pairs(text):
    return [tuple(int(part) for part in word.split(":")) for word in text.split(",")]


class Driver:
    errors = ()  # what its client throws

    def __init__(self):
        self.words = dict(word.split("=", 1) for word in sys.argv[1:])
        self.broker, self.isolation = self.words["broker"], self.words["isolation"]
        self.topic = None  # that it is subscribed to

    def is_fenced(self, error):
        raise NotImplementedError

    def serve(self):
        for line in sys.stdin:
            self.answer(line.split())

    def answer(self, request):
        verb, *arguments = request
        try:
            say(getattr(self, verb)(*arguments) or {})
        except self.errors as error:
            say({"error": f"{type(error).__name__}: {error}", "is_fenced": self.is_fenced(error)})


def say(answer):
    print(json.dumps(answer), flush=True)
