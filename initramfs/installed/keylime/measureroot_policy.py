"""A measured-boot policy for Keylime's verifier: the machine booted one of these root images, and nothing else is in that PCR.

The tenant's --mb-policy is a JSON object:
  images  a list of SHA-256 digests: what measureroot predict --json prints as .banks.sha256.digest, for each image that is allowed
  pcr     another PCR than 13, if the command line has rootimgpcr=
  pcrs    optional: the values that other PCRs must have, in the form that measureroot predict --format keylime prints
Nothing judges the PCRs that it does not name: of those, the verifier only checks that the log leads to them.
"""

import re

from keylime.mba.elchecking import policies, tests

DIGEST = re.compile("[0-9a-f]{64}")
# The PCRs that the verifier compares with the log. 10 has its own log, and 11 is extended later: neither is in this log.
COMPARED = frozenset({*range(10), 12, 13, 14})


def pcr_number(number):
    """Checks that the log proves this PCR."""
    if type(number) is not int or number not in COMPARED:
        raise ValueError(f"the policy names PCR {number!r}, which is none of {sorted(COMPARED)}")
    return number


def digests(values):
    """Checks that these are SHA-256 digests, at least one."""
    if not isinstance(values, list) or not values:
        raise ValueError("the policy has no list of digests where it needs one")
    if not all(isinstance(value, str) and DIGEST.fullmatch(value) for value in values):
        raise ValueError("a digest of the policy is not 64 digits 0-9 and a-f")
    return frozenset(values)


class Boot(tests.Test):
    """What the log of a boot must have."""

    def __init__(self, refstate):
        super().__init__()
        unknown = set(refstate) - {"images", "pcr", "pcrs"}
        if unknown:
            raise ValueError(f"the policy has unknown fields: {sorted(unknown)}")
        self.images = digests(refstate.get("images"))
        self.pcr = pcr_number(refstate.get("pcr", 13))
        self.pcrs = {pcr_number(int(pcr)): digests(values) for pcr, values in refstate.get("pcrs", {}).items()}

    def why_not(self, globs, subject):
        ours = [event for event in subject["events"] if event["PCRIndex"] == self.pcr]
        if len(ours) != 1:
            return f"has {len(ours)} events in PCR {self.pcr}, not the image alone"
        measured = [digest["Digest"] for digest in ours[0]["Digests"] if digest["AlgorithmId"] == "sha256"]
        if len(measured) != 1 or measured[0] not in self.images:
            return f"has {measured} in PCR {self.pcr}, which is no image of the policy"
        for pcr, allowed in self.pcrs.items():
            value = f"{subject['pcrs']['sha256'].get(str(pcr), 0):064x}"
            if value not in allowed:
                return f"leads to {value} in PCR {pcr}, which the policy does not allow"
        return ""


class Measureroot(policies.Policy):
    """Judges what measureroot wrote into the log. An error in the policy or in the log refuses the machine: Keylime catches it."""

    def get_relevant_pcrs(self):
        return COMPARED

    def refstate_to_test(self, refstate):
        return Boot(refstate)


policies.register("measureroot", Measureroot())
