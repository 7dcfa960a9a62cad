"""Where an image goes: to registries layer by layer while it is built, into files when it is done."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import BinaryIO, Self

from yadokari_builder.build.caching.writing import Near
from yadokari_builder.build.delivering.destinations import names_of
from yadokari_builder.build.delivering.files import hosts, tell
from yadokari_builder.build.layering.blobs import SharedLayer
from yadokari_builder.build.opened import Opened
from yadokari_builder.build.progress import Phases, counted
from yadokari_builder.errors import CancelledError
from yadokari_builder.layers.growing import GrowingFile
from yadokari_builder.layers.layer_file import Watch
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.outputs.docker_archive import write_docker_archive
from yadokari_builder.outputs.files import distinct, distributable, naming, verified
from yadokari_builder.outputs.oci_layout import write_oci_layout
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.push import Pusher
from yadokari_builder.registry.source import LayerSource, LocalLayer
from yadokari_contract.progress import pushing_line
from yadokari_contract.sizes import human_size
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)

_AT_ONCE = 3
_CHUNK = 1 << 20


class Delivery:
    """Takes the layers of an image as they are made, and then the image.

    Leaving it gives up what is still under way.
    """

    def __init__(self, spec: BuildSpec, destinations: tuple[Reference, ...], opened: Opened) -> None:
        self._spec = spec
        self._destinations = destinations
        self._opened = opened
        self._layers: dict[Digest, LayerSource] = {}
        self._pushes: dict[Digest, Future[None]] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, "take")
        self._left = Event()
        self._pusher = None if spec.no_push else self._make_pusher()

    def __enter__(self) -> Self:
        self._opened.registries.network.learn(hosts(self._spec))
        return self

    def __exit__(self, *_: object) -> None:
        if self._pusher:
            self._pusher.close()
        self._left.set()
        self._pool.shutdown(cancel_futures=True)

    def begin(self) -> None:
        """Find out whether the destinations can be pushed to, and send on what the image starts from.

        Raises `UnauthorizedError` or `PushError`.
        """
        if self._pusher:
            self._prepare(self._pusher)
        base = self._opened.plan.chain()[0].base
        if isinstance(base, PulledImage):
            self._take_base(base)

    @property
    def watch(self) -> Watch | None:
        """Is told of a large layer that is still being made; None where nothing is pushed."""
        return self._pusher.begin_layer if self._pusher else None

    def layer_made(self, layer: PackedLayer) -> None:
        """Take a layer of the image as soon as it is there; may be called in any thread."""
        source = LocalLayer(layer.layer, layer.file.open)
        digest = layer.layer.descriptor.digest
        self._layers[digest] = source
        if self._pusher:
            self._pushes[digest] = self._pusher.add_layer(source)

    def take(self, layer: LayerSource) -> "Future[None] | None":
        """Take a layer of the image that an earlier build left; what hinders that comes with the future.

        It stays where it is if a registry is to have it that has it already. One that was taken before, when
        the build has begun again, still has to get there.
        """
        digest = layer.layer.descriptor.digest
        if known := self._layers.get(digest):
            return self._pushes.get(digest) if known is layer else None
        if self._is_moved(layer):
            return self._pool.submit(self._bring, layer)
        self._layers[digest] = layer
        return self._pushes.setdefault(digest, self._pusher.add_layer(layer)) if self._pusher else None

    def pushed(self, digest: Digest, registry: str) -> Near | None:
        """Tell of a layer that is on its way to a repository of a registry, and when it is there."""
        push = self._pushes.get(digest)
        repositories = (where.repository for where in self._destinations if where.registry == registry)
        repository = next(repositories, None)
        return Near(push, repository) if push and repository else None

    def finish(self, image: Image, phases: Phases) -> None:
        """Write the outputs and push what is not pushed yet; raises `BuilderError`."""
        logger.info(
            "built %s: %s, %s",
            image.manifest_digest,
            counted(len(image.layers), "layer"),
            human_size(sum(layer.descriptor.size for layer in image.layers)),
        )
        if self._spec.tar_path or self._spec.oci_layout_path:
            with phases.timed("write"):
                self._write(image)
        if self._pusher:
            logger.info("%s", pushing_line(where.familiar for where in self._destinations))
            with phases.timed("push"):
                self._pusher.finish(image)
        names = names_of(self._destinations, image.manifest_digest, self._spec)
        tell(self._spec, names, image.manifest_digest, self._opened.registries.network)

    def _is_moved(self, layer: LayerSource) -> bool:
        """Tell whether the bytes of a layer are needed here, so that they have to be looked at."""
        if self._spec.tar_path or self._spec.oci_layout_path:
            return True
        holder = layer.repository.registry if layer.repository else ""
        return self._pusher is not None and {where.registry for where in self._destinations} != {holder}

    def _bring(self, layer: LayerSource) -> None:
        """Fetch a layer, and push what has come."""
        file = NamelessFile(self._opened.packing.folder)
        with verified(layer) as blob:
            while chunk := blob.read(_CHUNK):
                file.append(chunk)
                if self._left.is_set():
                    raise CancelledError("the build was given up while a layer came in")
        digest = layer.layer.descriptor.digest
        self._layers[digest] = source = LocalLayer(layer.layer, file.open)
        if self._pusher:
            push = self._pushes[digest] = self._pusher.add_layer(source)
            push.result()

    def _make_pusher(self) -> Pusher:
        return Pusher(
            self._opened.registries.pushing,
            self._destinations,
            keeps_immutable=self._spec.push_ignore_immutable_tag_errors,
            by_digest=self._spec.push_by_digest,
        )

    def _prepare(self, pusher: Pusher) -> None:
        if not self._spec.skip_push_permission_check:
            pusher.check()
            return
        self._opened.registries.expect_push(where.repository for where in self._destinations)

    def _take_base(self, base: PulledImage) -> None:
        layers = self._opened.blobs.of(base)
        self._layers.update((layer.layer.descriptor.digest, layer) for layer in layers)
        if self._spec.tar_path:
            for layer in distinct(layers):
                layer.expect()
        for layer in distributable(layers):
            if self._spec.oci_layout_path:
                layer.expect()
            if self._pusher:
                self._send_on(layer, base.repository, self._pusher)

    def _send_on(self, layer: SharedLayer, repository: Repository, pusher: Pusher) -> None:
        # The registry that has the layer already mounts it from one repository into the other.
        others = {destination.registry for destination in self._destinations} - {repository.registry}
        for _ in others:
            layer.expect()
        sent = _Sent(layer, repository, len(others))
        pusher.add_layer(sent).add_done_callback(lambda _: sent.end())

    def _write(self, image: Image) -> None:
        layers = [self._layers[layer.digest] for layer in image.manifest.layers]
        if path := self._spec.oci_layout_path:
            with naming("--oci-layout-path", path):
                write_oci_layout(path, image, layers, self._destinations)
        if path := self._spec.tar_path:
            with naming("--tar-path", path):
                write_docker_archive(path, image, layers, self._destinations)


@dataclass(slots=True)
class _Sent:
    """A layer of the base on its way to registries, which may have it already or want it again and again.

    It has been announced as `expected` readers of the layer; the first one that comes brings it for all.
    """

    shared: SharedLayer
    repository: Repository
    expected: int
    _lock: Lock = field(default_factory=Lock)
    _download: GrowingFile | None = None

    @property
    def layer(self) -> Layer:
        return self.shared.layer

    def open(self) -> BinaryIO:
        with self._lock:
            if self._download is None and self.expected:
                self.expected -= 1
                self._download = self.shared.join()
            download = self._download
        return download.open() if download else self.shared.open_unannounced()

    def end(self) -> None:
        self._download = None
        for _ in range(self.expected):
            self.shared.forgo()
