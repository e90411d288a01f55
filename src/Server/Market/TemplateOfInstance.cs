using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Server.Environments;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;

namespace McpCan.Server.Market;

/// <summary>Makes a template of an instance. What is secret there is asked for; what belongs to this one instance (name, address, tokens) stays behind.</summary>
internal static class TemplateOfInstance
{
    public static TemplateDefinition Make(Instance instance, JsonSerializerOptions json)
    {
        var parameters = new List<TemplateParameter>();
        var result = Shape(instance, json);
        if (result["remote"] is JsonObject remote) Remote(remote, parameters);
        Secrets(result["env"] as JsonObject, "", parameters);
        if (instance.Registry is not null)
        {
            result["registry"] = new JsonObject { ["userName"] = Ask(parameters, "registry-user", false), ["password"] = Ask(parameters, "registry-password", true) };
        }
        return new() { Name = instance.Name, Parameters = parameters, Instance = result };
    }

    /// <summary>What <c>POST /instances</c> would take for an instance like this one, without name and slug; what is at its default is left out, secrets stand as <c>{ "secret": true }</c>.</summary>
    public static JsonObject Shape(Instance instance, JsonSerializerOptions json)
    {
        // By way of the text: names of variables may differ in their case alone, which a node made with the API's options does not bear.
        var view = JsonNode.Parse(JsonSerializer.Serialize(InstanceView.Of(instance, ""), json))!.AsObject();
        var result = new JsonObject();
        foreach (var field in (string[])["mode", "environment", "source", "remote", "virtual", "env", "processes", "limits", "minimumIsolation", "egress", "access", "traffic"])
            if (view[field] is { } value) result[field] = value.DeepClone();
        if (instance.Environment == EnvironmentMap.Local) result.Remove("environment");
        if (instance.Source is null) Remove("source", "processes", "limits", "minimumIsolation", "egress");
        Trim(result);
        Differing(result, "limits", JsonSerializer.SerializeToNode(new WorkloadLimits(), json)!.AsObject());
        if (result["access"] is JsonObject access && access.Count == 2 && access["tokenRequired"]?.GetValue<bool>() == true && access["queryToken"]?.GetValue<bool>() == false) Remove("access");
        if (result["egress"] is JsonObject { Count: 1 } egress && egress["mode"]?.GetValue<string>() == EgressPolicy.Open.Mode) Remove("egress");
        return result;

        void Remove(params string[] fields)
        {
            foreach (var field in fields) result.Remove(field);
        }
    }

    private static void Remote(JsonObject remote, List<TemplateParameter> parameters)
    {
        Secrets(remote["headers"] as JsonObject, "header-", parameters);
        // Keys of a client certificate are given anew.
        if (remote["tls"] is JsonObject tls && tls.ContainsKey("clientKey")) tls["clientKey"] = new JsonObject { ["secret"] = Ask(parameters, "client-key", true) };
        if (remote["url"]?.GetValue<string>() is not { } url || url.IndexOf('?', StringComparison.Ordinal) is not (> 0 and var query)) return;
        var parts = url[(query + 1)..].Split('&').Select(part => part.Split('=', 2)).Select(p => p is [var name, "***"] ? $"{name}={Ask(parameters, name, true)}" : string.Join('=', p));
        remote["url"] = $"{url[..query]}?{string.Join('&', parts)}";
    }

    private static void Secrets(JsonObject? fields, string prefix, List<TemplateParameter> parameters)
    {
        foreach (var (name, value) in fields?.ToList() ?? [])
            if (value is JsonObject secret && secret.ContainsKey("secret")) fields![name] = new JsonObject { ["secret"] = Ask(parameters, prefix + name, true) };
    }

    /// <summary>Adds a parameter, and gives what stands for its value.</summary>
    private static string Ask(List<TemplateParameter> parameters, string name, bool secret)
    {
        var key = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? c : '_')]);
        if (!char.IsAsciiLetter(key[0])) key = "p" + key;
        key = key[..Math.Min(key.Length, 60)];
        for (var n = 2; parameters.Any(p => p.Key == key); n++) key = $"{key}{n}";
        parameters.Add(new() { Key = key, Type = secret ? ParameterTypes.Secret : ParameterTypes.Text, Label = name, Required = true });
        return "{{" + key + "}}";
    }

    private static void Differing(JsonObject result, string field, JsonObject defaults)
    {
        if (result[field] is not JsonObject fields) return;
        foreach (var (name, value) in fields.ToList())
            if (JsonNode.DeepEquals(value, defaults[name])) fields.Remove(name);
        if (fields.Count == 0) result.Remove(field);
    }

    /// <summary>Takes out what says nothing: nulls and empty lists and objects.</summary>
    private static void Trim(JsonObject fields)
    {
        foreach (var (name, value) in fields.ToList())
        {
            if (value is JsonObject inner) Trim(inner);
            if (value is null or JsonArray { Count: 0 } or JsonObject { Count: 0 }) fields.Remove(name);
        }
    }
}
