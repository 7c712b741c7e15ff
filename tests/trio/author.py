"""Writes random programs of nurseries, cancel scopes, starts, events and channels.

A program is a tree. Times are whole units; a time of null means at once, without any checkpoint.
  ["sleep", id, t]                        zero is a checkpoint
  ["raise", id, t]                        sleeps t, then raises Boom(id)
  ["cancel", id, t, what, which]          cancels a "scope" or a "nursery" around, after t
  ["shield", id, t, which, on]            switches the shield of a scope around
  ["deadline", id, t, which, d]           moves its deadline to d from then; null: none
  ["peek", id]                            notes the effective deadline
  ["set", id, t, event]   ["wait", id, event]
  ["send", id, channel]   ["receive", id, channel]
  ["spawn", id, t, which, child]          starts a child in a nursery around
  ["start", id, which, child]             the same, and waits until the child says that it started
  ["started", id, t]                      the child says so; the innermost one that was not asked
  ["seq", [node...]]
  ["scope", limit or null, shielded, node]
  ["fail_after", limit, node]
  ["finally", body, cleanup, shielded]
  ["catch", id, node]                     goes on behind what raised
  ["nursery", [child...], body]
`which` counts scopes or nurseries from the outermost, modulo how many there are around; without one
a node does nothing.
"""

LEAVES = ["sleep"] * 4 + ["raise"] * 2 + ["act"] * 3 + ["peek", "wait", "set", "send", "receive"]
NODES = (["sleep", "raise", "act", "act", "peek", "wait", "set", "send", "receive", "spawn"]
         + ["start", "start", "catch", "finally", "finally", "fail_after"]
         + ["seq"] * 3 + ["nursery"] * 3 + ["scope"] * 3)
EVENTS = 3
CHANNELS = 3  # of capacity 0, 1 and 2
MOST_NODES = 60


class Author:
    """Writes one program. `coarse`: many things happen at equal times."""

    def __init__(self, chance):
        self.chance = chance
        self.coarse = chance.random() < 0.3
        self.ids = 0
        self.unstarted = 0  # "started" is wanted

    def program(self):
        return self.nursery(self.chance.choice([2, 3, 3, 4, 4, 5]))

    def time(self):
        """Two sums of these do not meet, unless `coarse`."""
        return self.chance.randint(1, 8) if self.coarse else self.chance.randrange(10**6, 10**9)

    def soon(self):
        return None if self.chance.random() < 0.3 else self.time()

    def id(self):
        self.ids += 1
        return self.ids

    def pick(self):
        return self.chance.randrange(4)

    def node(self, depth):
        if self.unstarted and self.chance.random() < 0.25:
            self.unstarted -= 1
            return ["started", self.id(), self.soon()]
        small = depth <= 0 or self.ids > MOST_NODES
        kind = self.chance.choice(LEAVES if small else NODES)
        return getattr(self, kind + "_" if kind in ("raise", "finally") else kind)(depth - 1)

    def nodes(self, least, most, depth):
        return [self.node(depth) for _ in range(self.chance.randint(least, most))]

    def sleep(self, _):
        return ["sleep", self.id(), 0 if self.chance.random() < 0.15 else self.time()]

    def raise_(self, _):
        return ["raise", self.id(), self.soon()]

    def act(self, _):
        what = self.chance.choice(["scope", "nursery", "shield", "shield", "deadline", "deadline"])
        head = [self.id(), self.soon()]
        if what == "shield":
            return ["shield", *head, self.pick(), self.chance.random() < 0.5]
        if what == "deadline":
            return ["deadline", *head, self.pick(),
                    None if self.chance.random() < 0.3 else self.time()]
        return ["cancel", *head, what, self.pick()]

    def peek(self, _):
        return ["peek", self.id()]

    def set(self, _):
        return ["set", self.id(), self.soon(), self.chance.randrange(EVENTS)]

    def wait(self, _):
        return ["wait", self.id(), self.chance.randrange(EVENTS)]

    def send(self, _):
        return ["send", self.id(), self.chance.randrange(CHANNELS)]

    def receive(self, _):
        return ["receive", self.id(), self.chance.randrange(CHANNELS)]

    def spawn(self, depth):
        return ["spawn", self.id(), self.soon(), self.pick(), self.node(depth)]

    def start(self, depth):
        id, before = self.id(), self.unstarted
        self.unstarted = 1
        child = ["seq", self.nodes(1, 3, depth)]
        if self.unstarted and self.chance.random() < 0.8:
            child[1].insert(self.chance.randint(0, len(child[1])),
                            ["started", self.id(), self.soon()])
        self.unstarted = before
        return ["start", id, self.pick(), child]

    def seq(self, depth):
        return ["seq", self.nodes(2, 3, depth)]

    def scope(self, depth):
        limit = self.time() if self.chance.random() < 0.6 else None
        return ["scope", limit, self.chance.random() < 0.35, self.node(depth)]

    def fail_after(self, depth):
        return ["fail_after", self.time(), self.node(depth)]

    def finally_(self, depth):
        return ["finally", self.node(depth), self.node(depth), self.chance.random() < 0.5]

    def catch(self, depth):
        return ["catch", self.id(), self.node(depth)]

    def nursery(self, depth):
        return ["nursery", self.nodes(1, 3, depth), self.node(depth)]
