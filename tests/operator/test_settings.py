import re
from dataclasses import fields

import pytest

from yadokari_operator.settings import Settings, SettingsError, no_settings


def test_settings_have_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"YADOKARI_EXECUTOR_IMAGE": " ", "YADOKARI_LOG_LEVEL": ""}) == Settings()


def test_lists_are_separated_by_commas_or_blanks() -> None:
    settings = Settings.from_environment(
        {
            "YADOKARI_REGISTRY_MIRRORS": "a.test/mirror, b.test",
            "YADOKARI_INSECURE_REGISTRIES": "c:5000\nd:5000",
            "YADOKARI_CACHE_READ_ONLY_NAMESPACES": "team pull-request-*",
        }
    )
    assert settings.registry_mirrors == ("a.test/mirror", "b.test")
    assert settings.insecure_registries == ("c:5000", "d:5000")
    assert settings.cache_read_only_namespaces == ("team", "pull-request-*")


def test_limits_are_numbers() -> None:
    settings = Settings.from_environment(
        {"YADOKARI_MAX_BUILDS": "20", "YADOKARI_MAX_BUILDS_PER_NAMESPACE": "5"}
    )
    assert (settings.max_builds, settings.max_builds_per_namespace) == (20, 5)


def test_limits_of_nodes_are_labels_and_a_number() -> None:
    said = "pool=gpu:2 kubernetes.io/arch=arm64,pool=builds:4"
    first, second = Settings.from_environment({"YADOKARI_MAX_BUILDS_ON_NODES": said}).max_builds_on_nodes
    assert (dict(first.labels), first.most) == ({"pool": "gpu"}, 2)
    assert (dict(second.labels), second.most) == ({"kubernetes.io/arch": "arm64", "pool": "builds"}, 4)


def test_a_policy_is_yaml_over_several_lines() -> None:
    said = "bounds:\n  priority: 5\n  registries: [registry.test]\ndefaults:\n  runtimeClassName: gvisor\n"
    policy = Settings.from_environment({"YADOKARI_POLICY": said}).policy
    assert policy is not None
    assert policy.bounds is not None
    assert (policy.bounds.priority, policy.bounds.registries) == (5, ("registry.test",))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("bounds: {colour: red}", "YADOKARI_POLICY.bounds.colour"),
        ("bounds: [", "YADOKARI_POLICY is no YAML"),
        ("bounds: 2001-13-45", "YADOKARI_POLICY is no YAML"),
        ("!!timestamp 99", "YADOKARI_POLICY is no YAML"),
        ("{" * 3000, "YADOKARI_POLICY is no YAML"),
        ("everything", "YADOKARI_POLICY"),
        ("bounds: {registries: [https://a.test]}", "without https://"),
        ("namespaceSelector: {matchLabels: {a: b}}", "leave that out"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_in_words(said: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        Settings.from_environment({"YADOKARI_POLICY": said})


def test_namespaces_are_left_alone_by_name_or_pattern() -> None:
    settings = Settings.from_environment({"YADOKARI_IGNORED_NAMESPACES": "kube-* team"})
    assert [settings.ignores(name) for name in ("kube-system", "team", "teams")] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("YADOKARI_LOG_LEVEL", "loud"),
        ("YADOKARI_IGNORED_NAMESPACES", "kube_*"),
        ("YADOKARI_LOG_FORMAT", "xml"),
        ("YADOKARI_MAX_BUILDS", "many"),
        ("YADOKARI_MAX_BUILDS", "-1"),
        ("YADOKARI_MAX_BUILDS_PER_NAMESPACE", "1.5"),
        ("YADOKARI_MAX_BUILDS_ON_NODES", "pool=gpu"),
        ("YADOKARI_MAX_BUILDS_ON_NODES", "pool:2"),
        ("YADOKARI_MAX_BUILDS_ON_NODES", "pool=gpu:0"),
        ("YADOKARI_CACHE_READ_ONLY_NAMESPACES", "team, Pull_Requests"),
        ("YADOKARI_EXECUTOR_RUNTIME", "Volume"),
        ("YADOKARI_EXECUTOR_PROC_MOUNT", "Unmasked"),
        ("YADOKARI_HEALTH_ADDRESS", "8080"),
        ("YADOKARI_HEALTH_ADDRESS", "localhost:0"),
        ("YADOKARI_HEALTH_ADDRESS", "local..host:80"),
        ("YADOKARI_HEALTH_ADDRESS", "localhost:65536"),
        ("YADOKARI_EXECUTOR_IMAGE", "https://registry.test/executor:1"),
        ("YADOKARI_EXECUTOR_IMAGE", "registry.test/Executor:1"),
        ("YADOKARI_EXECUTOR_IMAGE", "registry.test/executor:"),
        ("YADOKARI_EXECUTOR_ISOLATION", "Some"),
        ("YADOKARI_EXECUTOR_LODGING", "Sometimes"),
        ("YADOKARI_EXECUTOR_HOST_USERS", "yes"),
        ("YADOKARI_EXECUTOR_PROC_MOUNT", "Masked"),
        ("YADOKARI_EXECUTOR_SECCOMP_PROFILE", "/var/lib/kubelet/seccomp/namespaces.json"),
        ("YADOKARI_EXECUTOR_SECCOMP_PROFILE", "yadokari/../namespaces.json"),
        ("YADOKARI_REGISTRY_MIRRORS", "a.test, https://b.test"),
        ("YADOKARI_REGISTRY_MIRRORS", "mirror.test:65536"),
        ("YADOKARI_INSECURE_REGISTRIES", "http://registry.test"),
        ("YADOKARI_INSECURE_REGISTRIES", "registry.test/team"),
        ("YADOKARI_NAMESPACE", "team-a,team-b"),
        ("YADOKARI_LEASE_NAMESPACE", "Yadokari"),
        ("YADOKARI_IDENTITY", "it and\nother"),
        ("YADOKARI_METRICS_ADDRESS", "http://localhost:8081"),
        ("YADOKARI_NOTIFY_FORMAT", "XML"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variables_name_and_what_it_can_be(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        Settings.from_environment({name: value})
    assert repr(value.split(", ")[-1])[1:-1] in str(refused.value)
    assert re.search("can be|it is|it has|must be|that takes", str(refused.value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("YADOKARI_NOTIFY_URL", "https://hooks.test:65536/s3cr3t"),
        ("YADOKARI_NOTIFY_URL", "https://me:s3cr3t@hooks.test"),
        ("YADOKARI_NOTIFY_KEY", "whsec_s3cr3t!"),
        ("YADOKARI_EXECUTOR_OTLP_ENDPOINT", "collector:4318/s3cr3t"),
        ("HTTPS_PROXY", "socks5://me:s3cr3t@proxy.test"),
        ("http_proxy", "http://me:s3cr3t@proxy.test:none"),
    ],
)
def test_a_wrong_value_that_may_be_secret_is_refused_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        Settings.from_environment({name: value})
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("YADOKARI_EXECUTOR_IMAGE", "localhost:5000/yadokari/executor@sha256:" + "1" * 64),
        ("YADOKARI_EXECUTOR_IMAGE", "yadokari/executor"),
        ("YADOKARI_EXECUTOR_SECCOMP_PROFILE", "profiles/..data/namespaces.json"),
        ("YADOKARI_REGISTRY_MIRRORS", "http://10.0.0.1:5000/hub/ [::1]:5000"),
        ("YADOKARI_INSECURE_REGISTRIES", "registry:5000,[fd00::1]:5000"),
        ("YADOKARI_NAMESPACE", "team-1"),
        ("YADOKARI_IDENTITY", "yadokari-6d9f7c5b8d-x2vkq"),
    ],
)
def test_what_can_be_is_taken(name: str, value: str) -> None:
    Settings.from_environment({name: value})


def test_the_default_of_each_setting_can_be_said() -> None:
    said = {
        f"YADOKARI_{it.name.upper()}": it.default for it in fields(Settings) if isinstance(it.default, str)
    }
    assert Settings.from_environment(said) == Settings()


def test_a_choice_may_be_written_in_any_case() -> None:
    settings = Settings.from_environment(
        {"YADOKARI_EXECUTOR_RUNTIME": "imagevolume", "YADOKARI_LOG_LEVEL": "DEBUG"}
    )
    assert (settings.executor_runtime, settings.log_level) == ("ImageVolume", "debug")


def test_what_is_no_setting_is_told_with_the_one_that_may_be_meant() -> None:
    environment = {"YADOKARI_MAX_BUILD": "3", "YADOKARI_COLOUR": "red", "YADOKARI_POLICY": "", "HOME": "/"}
    assert list(no_settings(environment)) == [
        ("YADOKARI_COLOUR", ""),
        ("YADOKARI_MAX_BUILD", "YADOKARI_MAX_BUILDS"),
    ]
