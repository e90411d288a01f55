namespace McpCan.Gateway;

/// <summary>A virtual server: chosen tools, prompts and resources of several instances under one address.</summary>
/// <param name="Members">Where they come from, in order.</param>
/// <param name="Instructions">What the server says of itself to clients.</param>
/// <param name="Generation">Rises with every change.</param>
public sealed record VirtualOffer(IReadOnlyList<VirtualMember> Members, string? Instructions, long Generation);

/// <summary>One instance behind a virtual server.</summary>
/// <param name="InstanceId">The instance.</param>
/// <param name="Prefix">Put before the names of its tools and prompts (<c>prefix_name</c>); null for none: then a name taken by an earlier member is left out and reported.</param>
/// <param name="Tools">Tools that are offered; null for all.</param>
/// <param name="Prompts">Prompts that are offered; null for all.</param>
/// <param name="Resources">Resource URIs (with <c>*</c>) that are offered; null for all.</param>
/// <param name="Overrides">By original tool or prompt name: another name and description.</param>
public sealed record VirtualMember(
    string InstanceId, string? Prefix, IReadOnlyList<string>? Tools, IReadOnlyList<string>? Prompts, IReadOnlyList<string>? Resources,
    IReadOnlyDictionary<string, VirtualOverride> Overrides);

/// <summary>How an offered tool or prompt is shown instead.</summary>
/// <param name="Name">The name in full (no prefix is added), or null for the usual one.</param>
/// <param name="Description">The description, or null for the server's own.</param>
public sealed record VirtualOverride(string? Name, string? Description);
