"""What the operator is told to do so that other machines trust this one.

Rule: the fingerprint comes first. A certificate that came over the network is the shop's only if people compared it.
"""

from collections.abc import Mapping

_STEPS = """\
Other machines reach this node at
{urls}

They must first trust this shop's authority, once on each machine. Copy this file there, over a stick rather
than by mail; it is no secret:
  {ca_file}
and compare what the machine shows with this, its SHA-256 fingerprint:
  {fingerprint}

Windows     certutil -addstore -f Root ca.pem      (as administrator)
Debian      cp ca.pem /usr/local/share/ca-certificates/everstock-shop.crt && update-ca-certificates
Fedora      trust anchor ca.pem
Android     Settings, Security, Encryption & credentials, Install a certificate, CA certificate
iPhone      open ca.pem, Settings, Profile downloaded; then General, About, Certificate Trust Settings
Firefox     Settings, Privacy & Security, View Certificates, Authorities, Import
Python      requests.get(url, verify="ca.pem")
To try it   curl --cacert ca.pem {first}/healthz

Each till needs a token of its own, made here:
  everstock-node token --data DATA --name till-2 --lan
A token made so counts only there, and one made without --lan only on this machine. A lost till:
  everstock-node token --data DATA --name till-2 --revoke
The authority can sign for no other names than this shop's, and ends on {ca_ends}. The certificate is renewed by itself.
"""


def steps(status: Mapping[str, object]) -> str:
    """What to do, in the order of doing it; `status` is that of a door that is on."""
    urls = addresses(status)
    return _STEPS.format(
        urls="\n".join(f"  {url}" for url in urls),
        first=urls[0],
        ca_file=status["ca_file"],
        fingerprint=status["ca_fingerprint"],
        ca_ends=str(status["ca_ends_at"])[:10],
    )


def addresses(status: Mapping[str, object]) -> list[str]:
    """Every URL that the certificate is for."""
    port = str(status["listen"]).rpartition(":")[2]
    names = status["names"]
    assert isinstance(names, list), "a status has names"
    hosts = [f"[{name}]" if ":" in name else name for name in names]
    return [f"https://{host}:{port}" for host in hosts]
