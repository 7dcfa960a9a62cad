"""Specs of ImageBuilds, right and wrong: the operator and the API server must agree on them."""

from typing import Any

from support.resources import SPEC

FROM_CONFIG_MAP = {"configMapKeyRef": {"name": "source"}}


def spec(**changes: Any) -> dict[str, Any]:
    """The plainest spec with changes; `None` takes a field away."""
    return {key: value for key, value in (SPEC | changes).items() if value is not None}


def to(*images: str) -> dict[str, Any]:
    """A spec with these destinations."""
    return spec(destinations=[{"image": image} for image in images])


def limits(**amounts: Any) -> dict[str, Any]:
    """A spec with limits of resources."""
    return spec(executor={"resources": {"limits": amounts}})


def tolerating(**toleration: Any) -> dict[str, Any]:
    """A spec with a toleration."""
    return spec(executor={"tolerations": [toleration]})


def within(**context: Any) -> dict[str, Any]:
    """A spec with a build context."""
    return spec(context=context)


def executed(**executor: Any) -> dict[str, Any]:
    """A spec with an executor."""
    return spec(executor=executor)


def cached(**cache: Any) -> dict[str, Any]:
    """A spec with a cache."""
    return spec(cache=cache)


def rebuilt(git_ref: str | None = None, **rebuild: Any) -> dict[str, Any]:
    """A spec that is built again by itself, of a git repository where a ref is given."""
    git = {"url": "https://git.example.com/team/app.git", "ref": git_ref}
    return spec(rebuild=rebuild, context={"git": git} if git_ref else None)


def mounted(path: str, **volume: Any) -> dict[str, Any]:
    """A spec with a volume at a path of the executor."""
    return executed(
        volumes=[{"name": "v", **(volume or {"emptyDir": {}})}],
        volumeMounts=[{"name": "v", "mountPath": path}],
    )


_ROLE = {"labelSelector": {"matchLabels": {"role": "build"}}, "topologyKey": "kubernetes.io/hostname"}
_ZONE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}


def on_nodes(**requirement: Any) -> dict[str, Any]:
    """A spec with a requirement of nodes."""
    terms = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    return executed(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})


_BLOB = "https://account.blob.core.windows.net/container/context.tar.gz"

RIGHT: list[dict[str, Any]] = [
    spec(suspend=True),
    spec(retries=0, pendingTimeout="5m", concurrencyPolicy="Queue"),
    spec(retries=10, concurrencyPolicy="Forbid"),
    within(configMap={"name": "files"}),
    within(
        configMaps=[
            {"name": "files"},
            {"name": "more", "path": "src/more", "items": [{"key": "a", "path": "..a/b..c"}]},
        ]
    ),
    within(git={"url": "https://git.example.com/team/app.git"}),
    within(
        git={
            "url": "http://[::1]:3000/team/app",
            "ref": "refs/heads/main",
            "subPath": "services/app",
            "submodules": True,
            "secretRef": {"name": "git"},
        }
    ),
    within(http={"url": "https://example.com/a.tar.gz?version=1", "sha256": "0" * 64}),
    within(s3={"bucket": "contexts", "key": "team/app.tar.gz"}),
    within(
        s3={
            "bucket": "contexts",
            "key": "app.tar",
            "region": "eu-central-1",
            "endpoint": "http://minio.storage:9000",
            "forcePathStyle": True,
            "secretRef": {"name": "s3"},
        }
    ),
    within(gcs={"bucket": "contexts", "key": "app.tar.gz", "secretRef": {"name": "gcs"}}),
    within(http={"url": "https://example.com/a.tar.gz", "secretRef": {"name": "login"}}),
    within(git={"url": "ssh://git@example.com:2222/team/app.git", "secretRef": {"name": "key"}}),
    within(git={"url": "ssh://example.com/app", "ref": "v1", "secretRef": {"name": "key"}}),
    spec(buildArgsFrom=[{"secretRef": {"name": "args"}, "prefix": "A_"}, {"configMapRef": {"name": "b"}}]),
    within(azure={"url": _BLOB, "secretRef": {"name": "azure"}}),
    within(oci={"image": "registry.test/contexts/app:1", "pullSecretRef": {"name": "reader"}}),
    within(persistentVolumeClaim={"claimName": "sources", "subPath": "app", "readOnly": False}),
    within(fluxSource={"kind": "GitRepository", "name": "app"}),
    within(fluxSource={"kind": "OCIRepository", "name": "app.v1"}),
    rebuilt(schedule={"cron": "*/30 1-5,22 L * MON#1", "timeZone": "America/Argentina/Buenos_Aires"}),
    rebuilt(schedule={"cron": "@daily"}),
    rebuilt(onBaseImageChange={"interval": "1m"}, schedule={"cron": "0 3 * * 1", "timeZone": "Etc/GMT+5"}),
    rebuilt("main", onGitChange={"interval": "720h"}, onBaseImageChange={"interval": "1h30m"}),
    rebuilt("0123abc", onGitChange={"interval": "5m"}),
    spec(dockerfile=None, dockerfileFrom={"path": "docker/Dockerfile"}, context={"configMap": {"name": "f"}}),
    spec(
        buildArgsFrom=[{"configMapRef": {"name": "args"}, "prefix": "APP_"}, {"configMapRef": {"name": "b"}}]
    ),
    spec(secrets=[{"id": "npm.token", "secretRef": {"name": "npm", "key": "token"}}]),
    spec(certificates={"configMapRef": {"name": "company-ca"}}),
    spec(output={"labels": {"org.opencontainers.image.source": "x=y"}, "annotations": {"a": ""}}),
    spec(output={"timestamp": "Zero", "compression": "zstd"}),
    spec(output={"timestamp": 1700000000}),
    spec(output={"timestamp": "Source"}, context={"git": {"url": "https://git.example.com/team/app.git"}}),
    spec(output={"timestamp": "1700000000"}),
    spec(platforms=["linux/amd64"]),
    spec(platforms=["linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "linux/386"]),
    cached(),
    cached(disabled=True, registry={}, mounts="None"),
    cached(
        registry={
            "image": "registry.test:5000/team/app/cache",
            "secretRef": {"name": "cache"},
            "ttl": "1m",
            "from": ["registry.test/team/main/cache", "team/cache"],
            "readOnly": False,
        },
        mounts="Registry",
    ),
    cached(registry={"readOnly": True, "ttl": "8760h"}, volumeClaim={"claimName": "caches"}),
    cached(volumeClaim={"claimName": "caches", "subPath": "team/app"}, mounts="Volume"),
    on_nodes(**_ZONE),
    on_nodes(key="cores", operator="Gt", values=["4"]),
    on_nodes(key="fast", operator="Exists"),
    executed(
        affinity={
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": _ROLE}]
            }
        },
        topologySpreadConstraints=[
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
    ),
    executed(
        imagePullSecrets=[{"name": "nodes"}],
        serviceAccountName="builder",
        runtimeClassName="gvisor",
        priorityClassName="low",
        labels={"team": "a"},
        annotations={"example.com/cost-centre": "17, and more"},
    ),
    executed(
        env=[
            {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "aws", "key": "key"}}},
        ]
    ),
    mounted("/var/cache/apt"),
    mounted("/var/cache", emptyDir={"sizeLimit": "10Gi"}),
    mounted("/yadokarix", emptyDir={"medium": "Memory"}),
    mounted("/etc/apt/..d", configMap={"name": "apt"}),
    mounted("/cache", persistentVolumeClaim={"claimName": "cache", "readOnly": True}),
    executed(extraArgs=["--single-snapshot", "--ignore-path=/var/log", "--registry-map=a=b;c=d"]),
    spec(),
    spec(dockerfile=None, dockerfileFrom=FROM_CONFIG_MAP),
    limits(memory="2Gi", cpu=2),
    limits(cpu=0, **{"example.com/gpu": 1, "hugepages-2Mi": "4Mi", "ephemeral-storage": "1.5G"}),
    spec(executor={"resources": {"requests": {"cpu": "1000m"}, "limits": {"cpu": 1, "memory": "1e3"}}}),
    tolerating(key="builds", operator="Exists", effect="NoSchedule"),
    tolerating(operator="Exists", effect="NoExecute", tolerationSeconds=5),
    spec(executor={"nodeSelector": {"kubernetes.io/arch": "amd64", "empty": ""}}),
    spec(timeout="1h30m"),
    spec(podRetention={"succeeded": "0s", "failed": "8760h"}, historyLimit=0),
    spec(buildArgs={"HTTP_PROXY": "x", "_a.b-c": ""}),
    to("app"),
    to("team/app"),
    to("localhost:5000/app"),
    to("10.98.0.1:65535/team/app:1.2-rc_3"),
    to("[::1]:5000/app"),
    to("REGISTRY.example.com/a__b/c--d"),
    to("app:1", "app:2", "team/app", "registry.test/app", "registry.test:5000/app", "docker.io/team/other"),
]

WRONG: list[tuple[dict[str, Any], str]] = [
    (spec(pendingTimeout="0s"), "pendingTimeout must be between 1s and 24h"),
    (within(), "context must name exactly one place"),
    (within(fluxSource={"kind": "Bucket", "name": "a"}, configMap={"name": "a"}), "exactly one place"),
    (within(fluxSource={"kind": "Bucket", "name": "A"}), "name must be one of Kubernetes"),
    (rebuilt(), "rebuild must name one of schedule, onBaseImageChange and onGitChange"),
    (rebuilt(schedule={"cron": "0 3 * *"}), "cron must be five fields"),
    (rebuilt(schedule={"cron": "0 0 3 * * *"}), "cron must be five fields"),
    (rebuilt(schedule={"cron": "@reboot"}), "one of @hourly, @daily, @weekly, @monthly and @yearly"),
    (rebuilt(schedule={"cron": "@daily", "timeZone": "../etc"}), "a name of the time zone database"),
    (rebuilt(onBaseImageChange={"interval": "59s"}), "interval must be between 1m and 720h"),
    (rebuilt(onBaseImageChange={"interval": "721h"}), "interval must be between 1m and 720h"),
    (rebuilt(onBaseImageChange={"interval": "daily"}), "a span of time must be like"),
    (rebuilt(onGitChange={"interval": "5m"}), "a branch or a tag of context.git"),
    (rebuilt("a" * 40, onGitChange={"interval": "5m"}), "name one there, and no commit"),
    (within(configMap={"name": "a"}, gcs={"bucket": "contexts", "key": "a"}), "exactly one place"),
    (within(configMaps=[{"name": "a", "path": "/b"}]), "a path must be relative"),
    (within(configMaps=[{"name": "a", "path": "b/../.."}]), "must not lead out of its folder"),
    (within(configMaps=[{"name": "a", "items": [{"key": "k", "path": "../b"}]}]), "must not lead out"),
    (
        within(configMaps=[{"name": "a", "items": [{"key": "k/l", "path": "b"}]}]),
        "key must be one of a ConfigMap",
    ),
    (within(git={"url": "git@example.com:team/app.git"}), "url must be https://HOST/PATH"),
    (within(git={"url": "https://me:secret@example.com/app.git"}), "without password"),
    (within(git={"url": "https://example.com/app.git#main"}), "there are ref, subPath"),
    (
        within(git={"url": "https://example.com/app.git", "ref": "main:sub"}),
        "ref must be a branch, a tag or a commit",
    ),
    (within(git={"url": "https://example.com/app.git", "ref": "--upload-pack=x"}), "ref must be a branch"),
    (
        within(git={"url": "https://example.com/app.git", "subPath": "../x"}),
        "must not lead out of its folder",
    ),
    (within(http={"url": "ftp://example.com/a.tar"}), "url must be https://HOST/PATH"),
    (within(http={"url": "https://example.com/app.git"}), "write a repository as git"),
    (within(http={"url": _BLOB}), "a blob of Azure as azure"),
    (
        within(http={"url": "https://example.com/a.tar", "sha256": "abc"}),
        "sha256 must be 64 hexadecimal digits",
    ),
    (within(s3={"bucket": "Contexts", "key": "a"}), "bucket must be a bucket's name"),
    (within(s3={"bucket": "contexts", "key": "/a"}), "key must name an object"),
    (
        within(s3={"bucket": "contexts", "key": "a", "endpoint": "minio:9000"}),
        "endpoint must be https://HOST[:PORT]",
    ),
    (within(s3={"bucket": "contexts", "key": "a", "region": "EU"}), "region must be like eu-central-1"),
    (within(gcs={"bucket": "contexts", "key": "a b"}), "key must name an object"),
    (within(gcs={"bucket": "contexts", "key": "a", "secretRef": {"name": "A"}}), "name must be one of"),
    (within(http={"url": "https://me@example.com/a.tar"}), "without user and password"),
    (within(http={"url": "https://example.com/a", "secretRef": {"name": "A"}}), "name must be one of"),
    (within(git={"url": "ssh://git@example.com/app"}), "name as secretRef a Secret with ssh-privatekey"),
    (within(git={"url": "ssh://git:secret@example.com/app"}), "without password"),
    (within(git={"url": "git@example.com:app"}), "url must be https://HOST/PATH or ssh://"),
    (spec(buildArgsFrom=[{}]), "exactly one of configMapRef and secretRef"),
    (spec(buildArgsFrom=[{"prefix": "A_"}]), "exactly one of configMapRef and secretRef"),
    (
        spec(buildArgsFrom=[{"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}}]),
        "exactly one of configMapRef and secretRef",
    ),
    (spec(buildArgsFrom=[{"secretRef": {"name": "A"}}]), "name must be one of Kubernetes"),
    (within(azure={"url": _BLOB + "?sig=x"}), "without a signature"),
    (within(azure={"url": "https://example.com/a/b"}), "url must be https://ACCOUNT.blob.core.windows.net"),
    (within(oci={"image": "https://registry.test/a"}), "no https://"),
    (within(persistentVolumeClaim={"claimName": "A"}), "name must be one of Kubernetes"),
    (spec(dockerfile=None, dockerfileFrom={}), "exactly one of configMapKeyRef and path"),
    (spec(dockerfile=None, dockerfileFrom={"path": "Dockerfile"}), "is a file of the context"),
    (
        spec(dockerfile=None, dockerfileFrom={"path": "../Dockerfile"}, context={"configMap": {"name": "f"}}),
        "must not lead out of its folder",
    ),
    (
        spec(buildArgsFrom=[{"configMapRef": {"name": "args"}, "prefix": "1"}]),
        "prefix must begin with a letter",
    ),
    (spec(secrets=[{"id": "a,b", "secretRef": {"name": "a", "key": "b"}}]), "id must be letters, digits"),
    (
        spec(secrets=[{"id": "a", "secretRef": {"name": "a", "key": "b/c"}}]),
        "key must be one of a ConfigMap or a Secret",
    ),
    (spec(output={"labels": {"a=b": "c"}}), "a label's key must be a word without ="),
    (spec(output={"annotations": {"a b": "c"}}), "an annotation's key must be a word without ="),
    (spec(output={"timestamp": "yesterday"}), "timestamp must be Zero, Source, Build or seconds since 1970"),
    (spec(output={"timestamp": -1}), "timestamp must be Zero, Source, Build or seconds since 1970"),
    (spec(platforms=["amd64"]), "a platform must be linux/ARCHITECTURE"),
    (spec(platforms=["linux/x86_64"]), "with one of 386, amd64"),
    (spec(platforms=["windows/amd64"]), "a platform must be linux/ARCHITECTURE"),
    (spec(platforms=["linux/arm/v7\n"]), "a platform must be linux/ARCHITECTURE"),
    (spec(platforms=["linux/arm64", "linux/arm64/v8"]), "two platforms are the same one"),
    (spec(platforms=["linux/arm/v7", "linux/amd64", "linux/arm"]), "two platforms are the same one"),
    (spec(output={"timestamp": "Source"}), "it takes context.git"),
    (spec(output={"timestamp": "Source"}, context={"configMap": {"name": "a"}}), "it takes context.git"),
    (cached(registry={"image": "registry.test/cache:1"}), "no tag or digest behind it"),
    (cached(registry={"image": "https://registry.test/cache"}), "no https:// before it"),
    (cached(registry={"from": ["Cache"]}), "the name in lower case"),
    (cached(registry={"ttl": "1s"}), "ttl must be between 1m and 8760h"),
    (cached(registry={"ttl": "two weeks"}), "like 90s, 15m or 1h30m"),
    (cached(registry={"secretRef": {"name": "A"}}), "name must be one of Kubernetes"),
    (cached(mounts="Volume"), "name one as volumeClaim.claimName"),
    (cached(volumeClaim={"claimName": "caches"}, mounts="Registry"), "volumeClaim is for mounts: Volume"),
    (cached(volumeClaim={"claimName": "caches"}, mounts="None"), "volumeClaim is for mounts: Volume"),
    (cached(volumeClaim={"claimName": "a", "subPath": "../b"}), "must not lead out of its folder"),
    (cached(registry={"readOnly": True}, mounts="Registry"), "set mounts to None or to Volume"),
    (on_nodes(key="zone", operator="In"), "In and NotIn must have values"),
    (on_nodes(key="zone", operator="Exists", values=["a"]), "Exists and DoesNotExist none"),
    (on_nodes(key="cores", operator="Gt", values=["1", "2"]), "Gt and Lt must have one value"),
    (executed(serviceAccountName="Builder"), "name must be one of Kubernetes"),
    (executed(labels={"yadokari.dev/run": "1"}), "the operator finds its pods by them"),
    (executed(annotations={"yadokari.dev/retries": "0"}), "they are the operator's own"),
    (executed(annotations={"a b": "c"}), "an annotation's key must be"),
    (executed(env=[{"name": "A-B", "value": "c"}]), "a variable's name must be letters, digits and _"),
    (executed(env=[{"name": "A"}]), "exactly one of value and valueFrom"),
    (executed(env=[{"name": "A", "valueFrom": {}}]), "exactly one of secretKeyRef and configMapKeyRef"),
    (executed(env=[{"name": "DOCKER_AUTH_CONFIG_PUSH", "value": "{}"}]), "env must not set"),
    (executed(env=[{"name": "KANIKO_NO_PUSH", "value": "true"}]), "env must not set"),
    (executed(env=[{"name": "LD_PRELOAD", "value": "/x.so"}]), "env must not set"),
    (executed(env=[{"name": "SOURCE_DATE_EPOCH", "value": "0"}]), "use the fields"),
    (mounted("/"), "mountPath must be a folder by its whole path"),
    (mounted("cache"), "mountPath must be a folder by its whole path"),
    (mounted("/proc/sys"), "mountPath must not be in /proc"),
    (mounted("/yadokari/bin"), "mountPath must not be in /proc"),
    (mounted("/yadokari/work"), "mountPath must not be in /proc"),
    (mounted("/var/../yadokari"), "mountPath must not be in /proc"),
    (mounted("/c", emptyDir={}, configMap={"name": "a"}), "exactly one of emptyDir, configMap"),
    (executed(volumes=[{"name": "v", "emptyDir": {}}]), "each of volumes must be mounted"),
    (executed(volumeMounts=[{"name": "v", "mountPath": "/v"}]), "must name one of volumes"),
    (executed(extraArgs=["--destination=evil.test/a"]), "extraArgs must be --FLAG or --FLAG=VALUE"),
    (executed(extraArgs=["--cache-mounts-dir=/c"]), "of the flags that no field stands for"),
    (executed(extraArgs=["--registry-client-cert=a=b,c"]), "of the flags that no field stands for"),
    (executed(extraArgs=["--ignore-path", "/var/log"]), "extraArgs must be"),
    (spec(dockerfile=None), "exactly one of dockerfile and dockerfileFrom"),
    (spec(dockerfileFrom=FROM_CONFIG_MAP), "exactly one of dockerfile and dockerfileFrom"),
    (spec(timeout="0s"), "between 1s and 24h"),
    (spec(timeout="25h"), "between 1s and 24h"),
    (spec(timeout="1 hour"), "like 90s, 15m or 1h30m"),
    (spec(podRetention={"failed": "8761h"}), "between 0s and 8760h"),
    (spec(podRetention={"failed": "for ever"}), "like 90s, 15m or 1h30m"),
    (spec(buildArgs={"A B": "x"}), "a build argument's name must begin with"),
    (spec(buildArgs={"1A": "x"}), "a build argument's name must begin with"),
    (spec(buildArgs={"": "x"}), "a build argument's name must begin with"),
    (spec(context={"configMap": {"name": "Files"}}), "name must be one of Kubernetes"),
    (limits(memory="lots"), "an amount must be a number"),
    (limits(memory="1.5 Gi"), "an amount must be a number"),
    (limits(memory="-1"), "an amount must be a number"),
    (limits(cpu=-1), "an amount must be a number"),
    (limits(memroy="1Gi"), "a resource must be cpu, memory"),
    (
        spec(executor={"resources": {"requests": {"cpu": "1001m"}, "limits": {"cpu": 1}}}),
        "requests must not be above limits",
    ),
    (tolerating(operator="Equal", effect="NoSchedule"), "without key must have the operator Exists"),
    (tolerating(key="builds", operator="Exists", value="x"), "Exists must have no value"),
    (tolerating(key="builds", tolerationSeconds=5), "must have the effect NoExecute"),
    (spec(executor={"nodeSelector": {"a b": "c"}}), "a label's key must be"),
    (spec(executor={"nodeSelector": {"a": "b c"}}), "a label's value must be"),
    (spec(executor={"image": "Executor"}), "the name in lower case"),
    (to("App"), "the name in lower case"),
    (to(""), "image must be"),
    (to("app@sha256:" + "0" * 64), "no digest"),
    (to("https://example.com/app"), "no https://"),
    (to("registry.test:99999/app"), "a port up to 65535"),
    (to("registry.test:65536/app"), "a port up to 65535"),
    (to("app:"), "image must be"),
    (to("app\n"), "image must be"),
    (to("app", "app:latest"), "the same place"),
    (to("docker.io/app", "app"), "the same place"),
    (to("docker.io/library/app:1", "index.docker.io/app:1"), "the same place"),
    (to("docker.io/team/app", "team/app:latest"), "the same place"),
    (to("Registry.test/app", "registry.test/app:latest"), "the same place"),
]


POLICIES: list[dict[str, Any]] = [
    {},
    {"namespaceSelector": {}, "defaults": {}, "bounds": {}},
    {
        "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
        "defaults": {
            "resources": {"requests": {"cpu": 1}, "limits": {"memory": "2Gi"}},
            "nodeSelector": {"pool": "builds"},
            "tolerations": [{"key": "builds", "operator": "Exists"}],
            "runtimeClassName": "gvisor",
            "priorityClassName": "low",
        },
    },
    {
        "bounds": {
            "executorImages": [],
            "serviceAccountNames": [],
            "registries": [
                "docker.io",
                "localhost",
                "registry:5000/",
                "[::1]:5000/a",
                "registry.example.com/team",
            ],
            "resources": {"memory": "16Gi", "cpu": 8, "example.com/gpu": 0},
            "nodeSelector": {"pool": "builds"},
            "isolation": "Namespaces",
            "priority": -1000,
            "timeout": "24h",
            "cacheReadOnly": True,
        }
    },
]


def bounded(**bounds: Any) -> dict[str, Any]:
    """A policy with bounds."""
    return {"bounds": bounds}


WRONG_POLICIES: list[tuple[dict[str, Any], str]] = [
    (bounded(registries=["team/app"]), "a place must be a registry"),
    (bounded(registries=["https://registry.test"]), "without https://"),
    (bounded(registries=["registry.test/team:1"]), "without a tag"),
    (bounded(executorImages=["*"]), "a place must be a registry"),
    (bounded(serviceAccountNames=["A"]), "name must be one of Kubernetes"),
    (bounded(resources={"memory": "lots"}), "an amount must be a number"),
    (bounded(resources={"memroy": "1Gi"}), "a resource must be cpu, memory"),
    (bounded(timeout="25h"), "between 1s and 24h"),
    (bounded(nodeSelector={"a b": "c"}), "a label's key must be"),
    ({"defaults": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}}, "must not be above limits"),
    ({"defaults": {"tolerations": [{"operator": "Equal"}]}}, "without key must have the operator Exists"),
    ({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, "must have values"),
]
