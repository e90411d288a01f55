using System.Globalization;
using System.Resources;

namespace McpCan.Server.Instances;

/// <summary>Texts of a check: likely causes and how to mend them. The API speaks English, the console also others.</summary>
public sealed class CheckTexts
{
    private static readonly ResourceManager Resources = new(typeof(CheckTexts));

    /// <summary>The English text of a key, or null.</summary>
    internal static string? English(string key) => Resources.GetString(key, CultureInfo.InvariantCulture);
}
