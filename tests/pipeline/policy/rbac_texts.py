"""RBAC manifests that Kubernetes refuses, with what is told of them, and such as it takes."""

ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: default}\n"
CLUSTER_ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n"
BINDING = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: default}\n"
)
CLUSTER_BINDING = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\n"
TO_ROLE = "roleRef: {kind: Role, name: r}\n"
TO_CLUSTER_ROLE = "roleRef: {kind: ClusterRole, name: r}\n"

REFUSED = (
    (
        ROLE + "rules: [{apiGroups: [''], resources: [pods]}]",
        "x:4: rules[0].verbs: required, but missing",
    ),
    (ROLE + "rules: [{verbs: [], apiGroups: [''], resources: [pods]}]", "rules[0].verbs: has 0 items"),
    (ROLE + "rules: [{verbs: [get], resources: [pods]}]", "rules[0].apiGroups: must name at least one"),
    (ROLE + "rules: [{verbs: [get], apiGroups: ['']}]", "rules[0].resources: must name at least one"),
    (
        ROLE + "rules: [{verbs: [get], nonResourceURLs: [/x]}]",
        "nonResourceURLs: are only for a ClusterRole",
    ),
    (
        ROLE + "rules: [{verbs: get, apiGroups: [''], resources: [pods]}]",
        "verbs: must be a list, not 'get'",
    ),
    (ROLE + "rules: [{verbs: [get], apiGroups: [''], resources: [1]}]", "must be a string, not 1"),
    (ROLE + "rule: []", "x:4: rule: unknown field"),
    (ROLE.replace("name: r", "name: a/b") + "rules: []", "metadata.name: name 'a/b' must not"),
    (ROLE.replace("/v1", "/v1beta1"), "v1beta1 is not served: write rbac.authorization.k8s.io/v1"),
    (
        CLUSTER_ROLE + "rules: [{verbs: [get], apiGroups: [''], nonResourceURLs: [/x]}]",
        "rules[0].nonResourceURLs: cannot stand beside",
    ),
    (CLUSTER_ROLE + "aggregationRule: {}", "aggregationRule.clusterRoleSelectors: required"),
    (
        CLUSTER_ROLE + "aggregationRule: {clusterRoleSelectors: []}",
        "clusterRoleSelectors: has 0 items, at least 1",
    ),
    (
        CLUSTER_ROLE
        + "aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: In}]}]}",
        "clusterRoleSelectors[0].matchExpressions[0].values: must not be empty with In",
    ),
    (BINDING + "subjects: []", "roleRef: required, but missing"),
    (BINDING + "roleRef: {kind: Group, name: r}", "roleRef.kind: must be 'Role' or 'ClusterRole'"),
    (BINDING + "roleRef: {kind: Role, name: r, apiGroup: x}", "roleRef.apiGroup: must be 'rbac"),
    (
        BINDING + TO_ROLE + "subjects: [{kind: user, name: a}]",
        "subjects[0].kind: must be 'User', 'Group'",
    ),
    (BINDING + TO_ROLE + "subjects: [{kind: User, name: ''}]", "subjects[0].name: must not be empty"),
    (
        BINDING
        + TO_ROLE
        + "subjects: [{kind: ServiceAccount, name: a, apiGroup: rbac.authorization.k8s.io}]",
        "subjects[0].apiGroup: of a ServiceAccount must be '', not 'rbac",
    ),
    (BINDING + TO_ROLE + "subjects: [{kind: ServiceAccount, name: A}]", "name 'A' must be lower case"),
    (CLUSTER_BINDING + TO_ROLE, "roleRef.kind: must be ClusterRole"),
    (
        CLUSTER_BINDING + TO_CLUSTER_ROLE + "subjects: [{kind: ServiceAccount, name: a}]",
        "subjects[0].namespace: required of a ServiceAccount here",
    ),
)
TAKEN = (
    ROLE,
    ROLE + "rules: null",
    CLUSTER_ROLE + "rules: [{verbs: ['*'], nonResourceURLs: ['*']}]",
    CLUSTER_ROLE.replace("name: r", "name: 'system:Team A'"),
    BINDING + TO_ROLE + "subjects: null",
    BINDING + TO_CLUSTER_ROLE + "subjects: [{kind: ServiceAccount, name: a, apiGroup: ''}]",
)
