"""How what takes notices and traces is reached: by the proxies of the environment, as everything else is."""

import urllib3

from yadokari_contract.proxies import Proxies


def pool_for(url: str, proxies: Proxies, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    """Make what sends requests to a URL, each once."""
    proxy = proxies.find(url)
    if proxy is None:
        return urllib3.PoolManager(retries=False, timeout=timeout)
    return urllib3.ProxyManager(proxy.url, proxy_headers=proxy.headers, retries=False, timeout=timeout)
