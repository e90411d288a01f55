using System.Security.Cryptography;

namespace McpCan.Server.Hosting;

/// <summary>Opaque ids: a letter for the kind and 12 random characters.</summary>
public static class Ids
{
    private const string Alphabet = "abcdefghijkmnpqrstuvwxyz23456789";

    /// <summary>A new id such as <c>i-7f3k…</c>.</summary>
    public static string New(string prefix) => $"{prefix}-{RandomNumberGenerator.GetString(Alphabet, 12)}";
}
