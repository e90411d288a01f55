using McpCan.Server.Instances;
using McpCan.Server.Web.Parts;
using McpCan.Server.Web.Resources;
using Microsoft.Extensions.Localization;

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

    /// <summary>Notes what is wrong, by field.</summary>
    public void Check(Dictionary<string, string> errors, IStringLocalizer<WizardTexts> texts)
    {
        if (string.IsNullOrWhiteSpace(Image)) errors["image"] = texts["error-required"];
        if (CommandText.Split(Entrypoint ?? "") is null) errors["entrypoint"] = texts["error-quote"];
        if (CommandText.Split(Arguments ?? "") is null) errors["image-arguments"] = texts["error-quote"];
    }

    public ImageSource? ToSource() => string.IsNullOrWhiteSpace(Image) ? null : new(Image.Trim(), Words(Entrypoint), Words(Arguments), Pull);

    public RegistryInput? ToRegistry() => string.IsNullOrWhiteSpace(RegistryUser) ? null : new(RegistryUser.Trim(), string.IsNullOrEmpty(RegistryPassword) ? null : RegistryPassword);

    private static IReadOnlyList<string>? Words(string? line) => string.IsNullOrWhiteSpace(line) ? null : CommandText.Split(line);
}
