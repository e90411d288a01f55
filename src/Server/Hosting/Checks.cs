namespace McpCan.Server.Hosting;

/// <summary>Gathers what is wrong with a request, so that all of it is told at once.</summary>
public sealed class Checks
{
    private readonly Dictionary<string, List<string>> _errors = [];

    /// <summary>Whether nothing was noted.</summary>
    public bool IsEmpty => _errors.Count == 0;

    /// <summary>What was noted first, with its field; null when nothing was.</summary>
    public string? First => _errors.Count == 0 ? null : $"{_errors.First().Key}: {_errors.First().Value[0]}";

    /// <summary>Notes <paramref name="message"/> for <paramref name="field"/> unless <paramref name="holds"/>.</summary>
    public Checks That(bool holds, string field, string message)
    {
        if (holds) return this;
        if (!_errors.TryGetValue(field, out var messages)) _errors[field] = messages = [];
        messages.Add(message);
        return this;
    }

    /// <summary>A name for people: 1 to 100 characters, none of them a control character, no space at its ends.</summary>
    public Checks Name(string? value, string field = "name") => That(
        value is { Length: > 0 and <= 100 } && value.Trim() == value && !value.Any(char.IsControl), field,
        "Must have 1 to 100 characters, no control characters, and no space at its start or end.");

    /// <summary>Throws a 400 that names all fields.</summary>
    public void Throw()
    {
        if (_errors.Count == 0) return;
        var first = _errors.First();
        throw new ProblemException(400, "invalid", $"{first.Key}: {first.Value[0]}", _errors.ToDictionary(e => e.Key, e => e.Value.ToArray()));
    }
}
