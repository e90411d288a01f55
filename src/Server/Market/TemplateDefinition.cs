using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Instances;

namespace McpCan.Server.Market;

/// <summary>A reusable instance: what <c>POST /instances</c> takes, with <c>{{key}}</c> where a parameter's value goes. Also the form of an exported file.</summary>
public sealed record TemplateDefinition
{
    /// <summary>Name for people.</summary>
    public required LocalText Name { get; init; }
    /// <summary>What the server is good for.</summary>
    public LocalText? Description { get; init; }
    /// <summary>A word to group by, for example <c>files</c>.</summary>
    public string? Category { get; init; }
    /// <summary>Where to read more.</summary>
    public string? Homepage { get; init; }
    /// <summary>What is asked for.</summary>
    public IReadOnlyList<TemplateParameter> Parameters { get; init; } = [];
    /// <summary>The instance; a text with <c>{{key}}</c> of a parameter without a value is left out.</summary>
    public required JsonObject Instance { get; init; }

    /// <summary>Mode of the instances that it makes.</summary>
    public string Mode() => Instance["mode"] is JsonValue mode && mode.TryGetValue<string>(out var text) ? text : InstanceModes.Managed;
}

/// <summary>Something that a template asks for.</summary>
public sealed record TemplateParameter
{
    /// <summary>Its name in <c>{{key}}</c>: letters, digits, <c>_</c> and <c>-</c>.</summary>
    public required string Key { get; init; }
    /// <summary><c>text</c>, <c>number</c>, <c>boolean</c>, <c>choice</c>, <c>secret</c> (kept encrypted, never shown) or <c>file</c> (a text file's content).</summary>
    public string Type { get; init; } = ParameterTypes.Text;
    /// <summary>What it is called for people; the key unless told.</summary>
    public LocalText? Label { get; init; }
    /// <summary>What to enter, and where to get it.</summary>
    public LocalText? Help { get; init; }
    /// <summary>Whether nothing can be made without it.</summary>
    public bool Required { get; init; }
    /// <summary>The value unless told; none for secrets.</summary>
    public JsonElement? Default { get; init; }
    /// <summary>Choice: the values.</summary>
    public IReadOnlyList<string>? Options { get; init; }
    /// <summary>Text and secret: a regular expression that the whole value must fit.</summary>
    public string? Pattern { get; init; }
    /// <summary>Number: least value. Text: least length.</summary>
    public double? Minimum { get; init; }
    /// <summary>Number: largest value. Text: largest length.</summary>
    public double? Maximum { get; init; }
    /// <summary>Text: several values; alone in a list they become as many entries, elsewhere they are joined by commas.</summary>
    public bool Multiple { get; init; }
}

/// <summary>Types of parameters.</summary>
public static class ParameterTypes
{
    /// <summary>A line of text.</summary>
    public const string Text = "text";
    /// <summary>A number.</summary>
    public const string Number = "number";
    /// <summary>Yes or no.</summary>
    public const string Boolean = "boolean";
    /// <summary>One of several.</summary>
    public const string Choice = "choice";
    /// <summary>Kept encrypted, never shown.</summary>
    public const string Secret = "secret";
    /// <summary>The content of a text file.</summary>
    public const string File = "file";

    /// <summary>All of them.</summary>
    public static readonly string[] All = [Text, Number, Boolean, Choice, Secret, File];
}
