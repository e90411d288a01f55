using McpCan.Server.Instances;
using McpCan.Server.Web.Parts;

namespace McpCan.Server.Web.Pages.Wizard;

/// <summary>A container image while it is edited.</summary>
public sealed class ImageDraft
{
    public string? Image { get; set; }
    /// <summary>In place of the image's own; empty keeps those.</summary>
    public string? Entrypoint { get; set; }
    public string? Arguments { get; set; }
    public string Pull { get; set; } = "missing";
    public string? RegistryUser { get; set; }
    /// <summary>New password; empty keeps the stored one.</summary>
    public string? RegistryPassword { get; set; }

    public static ImageDraft Of(Instance instance) => instance.Source is not ImageSource image ? new() : new()
    {
        Image = image.Image,
        Entrypoint = image.Entrypoint is { } entry ? CommandText.Join(entry) : null,
        Arguments = image.Args is { } args ? CommandText.Join(args) : null,
        Pull = image.Pull,
        RegistryUser = instance.Registry?.UserName,
    };

    public ImageSource? ToSource() => string.IsNullOrWhiteSpace(Image) ? null : new(Image.Trim(), Words(Entrypoint), Words(Arguments), Pull);

    public RegistryInput? ToRegistry() => string.IsNullOrWhiteSpace(RegistryUser) ? null : new(RegistryUser.Trim(), string.IsNullOrEmpty(RegistryPassword) ? null : RegistryPassword);

    private static IReadOnlyList<string>? Words(string? line) => string.IsNullOrWhiteSpace(line) ? null : CommandText.Split(line);
}
