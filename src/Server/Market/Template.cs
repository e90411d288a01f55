namespace McpCan.Server.Market;

/// <summary>A template that somebody of this installation made.</summary>
public sealed class Template
{
    /// <summary>Opaque id, <c>tp-…</c>.</summary>
    public required string Id { get; set; }
    /// <summary>What it makes and asks for.</summary>
    public required TemplateDefinition Definition { get; set; }
    /// <summary>Roles whose people see it; its maker and administrators always do.</summary>
    public List<string> Roles { get; set; } = [];
    /// <summary>User or API key that made it.</summary>
    public string? CreatedBy { get; set; }
    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; set; }
    /// <summary>When it was last changed.</summary>
    public DateTimeOffset UpdatedAt { get; set; }
    /// <summary>Counts changes.</summary>
    public long Revision { get; set; }
}
