"""A measured-boot policy for Keylime's verifier: the machine booted one of these root images, and nothing else is in that PCR.

The tenant's --mb-policy: {"images": ["<SHA-256 digest>", ...]}, with "pcr" if rootimgpcr= names another PCR than 13. With "example", the
reference state of Keylime's policy of that name, that policy judges the events of the other PCRs. Without it, nothing judges them: the
verifier then only checks that the log leads to the quoted PCRs. docs/keylime.md says more.
"""

import re

from keylime.mba.elchecking import policies, tests

DIGEST = re.compile("[0-9a-f]{64}")
# The PCRs that the verifier compares with the log. 11 and 12 are missing: systemd extends them later, and this log does not have that.
COMPARED = frozenset({*range(10), 13, 14})


class OneImage(tests.Test):
    """The PCR has exactly one event, and its digest is the one of an image."""

    def __init__(self, refstate):
        super().__init__()
        unknown = set(refstate) - {"images", "pcr", "example"}
        if unknown:
            raise ValueError(f"the policy has unknown fields: {sorted(unknown)}")
        images, self.pcr = refstate.get("images"), refstate.get("pcr", 13)
        if not isinstance(images, list) or not images:
            raise ValueError("the policy's images are no list of digests")
        if not all(isinstance(image, str) and DIGEST.fullmatch(image) for image in images):
            raise ValueError("an image of the policy is not 64 digits 0-9 and a-f")
        if type(self.pcr) is not int or self.pcr not in COMPARED:
            raise ValueError(f"the policy's pcr is none of {sorted(COMPARED)}")
        self.images = set(images)
        self.others = tests.AcceptAll()
        if "example" in refstate:
            self.others = policies.get_policy("example").refstate_to_test(refstate["example"])

    def why_not(self, globs, subject):
        events = subject.get("events") if isinstance(subject, dict) else None
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            return "the log has no list of events"
        ours = [event for event in events if event.get("PCRIndex") == self.pcr]
        if len(ours) != 1:
            return f"PCR {self.pcr} has {len(ours)} events, not the image alone"
        digests = [digest["Digest"] for digest in ours[0]["Digests"] if digest["AlgorithmId"] == "sha256"]
        if len(digests) != 1 or digests[0] not in self.images:
            return f"PCR {self.pcr} was extended with {digests}, which is no image of the policy"
        others = [event for event in events if event.get("PCRIndex") != self.pcr]
        return self.others.why_not(globs, {**subject, "events": others})


class Measureroot(policies.Policy):
    """Judges what measureroot wrote into the log."""

    def get_relevant_pcrs(self):
        return COMPARED

    def refstate_to_test(self, refstate):
        return OneImage(refstate)


policies.register("measureroot", Measureroot())
