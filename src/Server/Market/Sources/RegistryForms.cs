using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Market.Sources;

/// <summary>From packages and remotes of a <c>server.json</c> to templates. What a template cannot say makes a form that says why.</summary>
internal sealed partial class RegistryForms
{
    private const string NoRuntimeArguments = "It wants options of its own for the container engine, which MCPCAN does not hand over. Add the image by hand, with volumes and variables in their places.";
    private readonly List<TemplateParameter> _parameters = [];

    /// <summary>A server that runs elsewhere.</summary>
    public static MarketForm Remote(MarketItem item, JsonElement remote)
    {
        var forms = new RegistryForms();
        var (type, url) = (remote.Text("type", "transport_type"), remote.Text("url"));
        if (url is null || type is not ("streamable-http" or "sse")) return new("remote", url ?? type ?? "?", null, "Its address or transport is missing.");
        var address = forms.Fill(url, remote.Get("variables"), false);
        var instance = new JsonObject { ["mode"] = "proxy", ["remote"] = new JsonObject { ["url"] = address, ["transport"] = type } };
        if (forms.Values(remote.Items("headers"), "header-") is { Count: > 0 } headers) instance["remote"]!["headers"] = headers;
        return forms.Form("remote", url, item, instance);
    }

    /// <summary>A package of some registry.</summary>
    public static MarketForm Package(MarketItem item, JsonElement package)
    {
        var kind = (package.Text("registryType", "registry_type", "registry_name") ?? "?").ToLowerInvariant();
        var (identifier, version) = (package.Text("identifier", "name"), package.Text("version"));
        if (identifier is null) return new(kind, "?", null, "It does not say which package it is.");
        var forms = new RegistryForms();
        var arguments = forms.Arguments(package.Items("packageArguments", "package_arguments"));
        var options = forms.Arguments(package.Items("runtimeArguments", "runtime_arguments"));
        var transport = package.Get("transport");
        var env = forms.Values(package.Items("environmentVariables", "environment_variables"), "");
        var source = kind switch
        {
            "npm" => Command("npx", ["-y", .. options.Where(o => o is not ("-y" or "--yes")), Versioned(identifier, version, '@')], arguments),
            "pypi" => Command("uvx", [.. options, Versioned(identifier, version, '@')], arguments),
            "nuget" => Command("dnx", [.. options.Where(o => o is not ("-y" or "--yes")), Versioned(identifier, version, '@'), "--yes", .. arguments.Count > 0 ? new[] { "--" } : []], arguments),
            "oci" when options.Count == 0 => Image(identifier, version, arguments),
            "mcpb" => new JsonObject { ["type"] = "package", ["packageId"] = "" },
            _ => null,
        };
        if (source is null) return new(kind, identifier, null, kind == "oci" ? NoRuntimeArguments : $"MCPCAN does not know packages of the kind '{kind}'.");
        if (transport?.Text("type") is "streamable-http" or "sse")
        {
            if (!Uri.TryCreate(transport.Value.Text("url") is { } at ? Variable().Replace(at, "0") : null, UriKind.Absolute, out var url) || url.Port is <= 0 or > 65535)
                return new(kind, identifier, null, "It listens by itself, and does not say on which port.");
            source["http"] = new JsonObject { ["port"] = url.Port, ["path"] = url.AbsolutePath.Length > 1 ? url.AbsolutePath : "/mcp", ["transport"] = transport.Value.Text("type") };
        }
        var instance = new JsonObject { ["source"] = source };
        if (env.Count > 0) instance["env"] = env;
        if (kind != "mcpb") return forms.Form(kind, Versioned(identifier, version, kind == "oci" ? ':' : '@'), item, instance);
        if (package.Text("fileSha256", "file_sha256") is not { Length: 64 } sum || JsonReading.Link(identifier) is null) return new(kind, identifier, null, "Its address or checksum is missing: what cannot be checked is not run.");
        return forms.Form(kind, identifier, item, instance) with { Bundle = new(identifier, sum.ToLowerInvariant()) };
    }

    private MarketForm Form(string kind, string label, MarketItem item, JsonObject instance) => new(kind, label, new()
    {
        Name = item.Title,
        Description = item.Description is { } text ? (LocalText)(text.Length > 2000 ? text[..2000] : text) : null,
        Homepage = item.Homepage ?? item.Repository,
        Parameters = _parameters,
        Instance = instance,
    });

    private static JsonObject Command(string command, IEnumerable<string> before, IEnumerable<string> after) =>
        new() { ["type"] = "command", ["command"] = command, ["args"] = new JsonArray([.. before.Concat(after).Select(a => JsonValue.Create(a))]) };

    private static JsonObject Image(string identifier, string? version, List<string> arguments)
    {
        var isWhole = identifier.Contains('@', StringComparison.Ordinal) || identifier[(identifier.LastIndexOf('/') + 1)..].Contains(':', StringComparison.Ordinal);
        var image = new JsonObject { ["type"] = "image", ["image"] = isWhole || version is null ? identifier : $"{identifier}:{version}" };
        if (arguments.Count > 0) image["args"] = new JsonArray([.. arguments.Select(a => JsonValue.Create(a))]);
        return image;
    }

    private static string Versioned(string identifier, string? version, char sign) =>
        version is null or "latest" || identifier.IndexOf(sign, 1) > 0 || identifier.Contains("://", StringComparison.Ordinal) ? identifier : $"{identifier}{sign}{version}";

    private List<string> Arguments(IEnumerable<JsonElement> arguments)
    {
        var result = new List<string>();
        foreach (var argument in arguments)
        {
            var name = argument.Text("type") == "named" || argument.Get("name") is not null ? argument.Text("name") : null;
            var hint = name?.TrimStart('-') ?? argument.Text("valueHint", "value_hint") ?? "argument";
            if (argument.Text("value") is { } value) result.AddRange(name is null ? [Fill(value, argument.Get("variables"), false)] : new[] { name, Fill(value, argument.Get("variables"), false) });
            else if (name is not null && argument.Get("format")?.GetString() == "boolean") result.Add(name);
            // One that may be left out takes its name along when it has no value.
            else if (name is not null && !argument.IsTrue("isRequired") && !argument.IsTrue("is_required")) result.Add($"{name}={Ask(hint, argument, false)}");
            else result.AddRange(name is null ? [Ask(hint, argument, false)] : new[] { name, Ask(hint, argument, false) });
        }
        return result;
    }

    private JsonObject Values(IEnumerable<JsonElement> inputs, string prefix)
    {
        var result = new JsonObject();
        foreach (var input in inputs)
        {
            if (input.Text("name") is not { } name || result.ContainsKey(name)) continue;
            var isSecret = IsSecret(input);
            var value = input.Text("value") is { } text ? Fill(text, input.Get("variables"), isSecret) : Ask(prefix + name, input, isSecret);
            var asked = TemplateFill.Keys(value).Any(key => _parameters.Any(p => p.Key == key && p.Type == ParameterTypes.Secret));
            result[name] = asked ? new JsonObject { ["secret"] = value } : value;
        }
        return result;
    }

    /// <summary>A text with <c>{variable}</c> in it; each one is asked for.</summary>
    private string Fill(string text, JsonElement? variables, bool isSecret) => Variable().Replace(text, match =>
    {
        var name = match.Groups[1].Value;
        return Ask(name, variables?.Get(name) ?? default, isSecret);
    });

    private static bool IsSecret(JsonElement input) => input.IsTrue("isSecret") || input.IsTrue("is_secret");

    private string Ask(string name, JsonElement input, bool isSecret)
    {
        var key = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? c : '_')]).TrimStart('-', '_');
        if (key.Length == 0 || !char.IsAsciiLetter(key[0])) key = "p_" + key;
        key = key[..Math.Min(key.Length, 60)];
        if (_parameters.Any(p => p.Key == key)) return "{{" + key + "}}";
        isSecret |= IsSecret(input);
        var options = input.Get("choices") is { ValueKind: JsonValueKind.Array } choices ? choices.EnumerateArray().Where(c => c.ValueKind == JsonValueKind.String).Select(c => c.GetString()!).Distinct().Take(200).ToList() : [];
        var fallback = isSecret ? null : input.Text("default");
        var format = input.Text("format");
        var type = isSecret ? ParameterTypes.Secret : options.Count > 0 ? ParameterTypes.Choice : format is "number" ? ParameterTypes.Number : format is "boolean" ? ParameterTypes.Boolean : ParameterTypes.Text;
        var fits = type switch
        {
            ParameterTypes.Choice => fallback is null || options.Contains(fallback),
            ParameterTypes.Number => fallback is null || double.TryParse(fallback, NumberStyles.Float, CultureInfo.InvariantCulture, out _),
            ParameterTypes.Boolean => fallback is null or "true" or "false",
            _ => true,
        };
        _parameters.Add(new()
        {
            Key = key,
            Type = type,
            Label = name.Length > 100 ? name[..100] : name,
            Help = input.Text("description") is { } text ? (LocalText)(text.Length > 1000 ? text[..1000] : text) : null,
            Required = input.IsTrue("isRequired") || input.IsTrue("is_required"),
            Default = fallback is null || !fits ? null : JsonSerializer.SerializeToElement(fallback),
            Options = type == ParameterTypes.Choice ? options : null,
            Multiple = type == ParameterTypes.Text && (input.IsTrue("isRepeated") || input.IsTrue("is_repeated")),
        });
        return "{{" + key + "}}";
    }

    [GeneratedRegex(@"\{([A-Za-z_][A-Za-z0-9_.-]{0,60})\}", RegexOptions.CultureInvariant)]
    private static partial Regex Variable();
}
