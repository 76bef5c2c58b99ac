/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkNNTorchObject.h"

#include "itkNNFileBytes.h"
#include "itkNNTorchObjectTree.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

namespace itk
{
namespace nn
{
namespace
{
using Kind = TorchObject::Kind;

constexpr int deepest = 100;
constexpr std::size_t maximumTensors = 100000;
constexpr std::uint64_t maximumVisits = 4000000;
constexpr const char * wrapperKeys[] = {
  "ema_model_state_dict", "model_state_dict", "state_dict", "model", "net", "network"
};
constexpr const char * prefixes[] = { "module.", "_orig_mod." };

std::string
KeyText(const TorchObject & key)
{
  switch (key.GetKind())
  {
    case Kind::String:
      return key.GetText();
    case Kind::Integer:
      return std::to_string(key.GetInteger());
    default:
      return std::string();
  }
}

bool
HasKeyText(const TorchObject & key)
{
  return key.GetKind() == Kind::String || key.GetKind() == Kind::Integer;
}

std::string
ListKeys(const TorchObject & object)
{
  constexpr std::size_t longest = 20;
  const auto keys = object.GetKeys();
  std::string list;
  for (std::size_t i = 0; i < keys.size() && i < longest; ++i)
  {
    list += (i > 0 ? ", " : "") + Quote(keys[i]);
  }
  return list + (keys.size() > longest ? ", ..." : "");
}

std::string
Describe(const TorchObject & object)
{
  std::string text = TorchObject::ToString(object.GetKind());
  if (object.GetKind() == Kind::Opaque || object.GetKind() == Kind::Class)
  {
    text += ' ' + Quote(object.GetClassName());
  }
  return text;
}

/** Attributes of a pickled torch.nn.Module, or None. */
TorchObject
ModuleAttributes(const TorchObject & object)
{
  if (object.GetKind() != Kind::Opaque)
  {
    return TorchObject();
  }
  const TorchObject state = object.GetState();
  const bool isModule = state.IsDictionary() && state.Has("_modules") && state.Has("_parameters");
  return isModule ? state : TorchObject();
}

class Flattener
{
public:
  StateDict Run(const TorchObject & object)
  {
    this->Visit(object, std::string(), 0);
    return std::move(m_Tensors);
  }

private:
  void Visit(const TorchObject & object, const std::string & name, int depth)
  {
    itkNNRequireMacro(depth <= deepest, "Values are nested deeper than " << deepest << " levels, at " << Quote(name));
    itkNNRequireMacro(++m_Visits <= maximumVisits, "There are more than " << maximumVisits << " nested values");
    switch (object.GetKind())
    {
      case Kind::Tensor:
        itkNNRequireMacro(m_Tensors.GetSize() < maximumTensors, "There are more than " << maximumTensors << " tensors");
        itkNNRequireMacro(!m_Tensors.Has(name), "The tensor name " << Quote(name) << " occurs twice");
        m_Tensors.Add(name, object.GetTensor());
        break;
      case Kind::Dictionary:
        for (std::size_t i = 0; i < object.GetSize(); ++i)
        {
          const auto entry = object.GetEntry(i);
          ++m_Visits;
          if (HasKeyText(entry.first) && IsContainer(entry.second))
          {
            this->Visit(entry.second, Join(name, KeyText(entry.first)), depth + 1);
          }
        }
        break;
      case Kind::List:
      case Kind::Tuple:
        for (std::size_t i = 0; i < object.GetSize(); ++i)
        {
          const TorchObject item = object.GetItem(i);
          ++m_Visits;
          if (IsContainer(item))
          {
            this->Visit(item, Join(name, std::to_string(i)), depth + 1);
          }
        }
        break;
      case Kind::Opaque:
      {
        const TorchObject attributes = ModuleAttributes(object);
        if (!attributes.IsNone())
        {
          this->VisitModule(attributes, name, depth);
        }
        break;
      }
      default:
        break;
    }
  }

  void VisitModule(const TorchObject & attributes, const std::string & name, int depth)
  {
    this->Visit(attributes.Get("_parameters"), name, depth + 1);
    if (attributes.Has("_buffers"))
    {
      std::unordered_set<std::string> passing;
      if (attributes.Has("_non_persistent_buffers_set"))
      {
        const TorchObject set = attributes.Get("_non_persistent_buffers_set");
        for (std::size_t i = 0; set.GetKind() == Kind::Set && i < set.GetSize(); ++i)
        {
          passing.insert(KeyText(set.GetItem(i)));
        }
      }
      const TorchObject buffers = attributes.Get("_buffers");
      for (std::size_t i = 0; buffers.IsDictionary() && i < buffers.GetSize(); ++i)
      {
        const auto entry = buffers.GetEntry(i);
        ++m_Visits;
        if (entry.second.IsTensor() && HasKeyText(entry.first) && passing.count(KeyText(entry.first)) == 0)
        {
          this->Visit(entry.second, Join(name, KeyText(entry.first)), depth + 1);
        }
      }
    }
    this->Visit(attributes.Get("_modules"), name, depth + 1);
  }

  static bool IsContainer(const TorchObject & object)
  {
    switch (object.GetKind())
    {
      case Kind::Tensor:
      case Kind::Dictionary:
      case Kind::List:
      case Kind::Tuple:
      case Kind::Opaque:
        return true;
      default:
        return false;
    }
  }
  static std::string Join(const std::string & name, const std::string & key)
  {
    constexpr std::size_t longest = 4096;
    itkNNRequireMacro(name.size() + key.size() < longest,
                      "A tensor name that begins with " << Quote(name) << " is longer than " << longest
                                                        << " characters");
    return name.empty() ? key : name + '.' + key;
  }

  StateDict m_Tensors;
  std::uint64_t m_Visits = 0;
};

/** The value that holds the weights, or None. Wrappers come first, since a
 * checkpoint may hold single tensors beside its weights. */
TorchObject
FindWeights(const TorchObject & object, int depth)
{
  constexpr int wrappersDeepest = 2;
  if (!ModuleAttributes(object).IsNone())
  {
    return object;
  }
  if (!object.IsDictionary())
  {
    return TorchObject();
  }
  TorchObject wrapped[std::size(wrapperKeys)];
  bool holdsTensors = false;
  for (std::size_t i = 0; i < object.GetSize(); ++i)
  {
    const auto entry = object.GetEntry(i);
    holdsTensors = holdsTensors || entry.second.IsTensor();
    for (std::size_t k = 0; entry.first.GetKind() == Kind::String && k < std::size(wrapperKeys); ++k)
    {
      if (entry.first.GetText() == wrapperKeys[k])
      {
        wrapped[k] = entry.second;
      }
    }
  }
  for (const auto & value : wrapped)
  {
    if (depth < wrappersDeepest && !value.IsTensor())
    {
      const TorchObject found = FindWeights(value, depth + 1);
      if (!found.IsNone())
      {
        return found;
      }
    }
  }
  return holdsTensors ? object : TorchObject();
}

StateDict
StripPrefixes(StateDict weights)
{
  while (!weights.IsEmpty())
  {
    bool stripped = false;
    for (const std::string prefix : prefixes)
    {
      const bool everywhere = std::all_of(
        weights.begin(),
        weights.end(),
        [&prefix](const StateDict::Entry & entry)
        { return entry.first.size() > prefix.size() && entry.first.compare(0, prefix.size(), prefix) == 0; });
      if (everywhere)
      {
        StateDict shorter;
        for (const auto & entry : weights)
        {
          shorter.Add(entry.first.substr(prefix.size()), entry.second);
        }
        weights = std::move(shorter);
        stripped = true;
      }
    }
    if (!stripped)
    {
      break;
    }
  }
  return weights;
}

const TorchObjectTree::Node &
NodeOf(const std::shared_ptr<const TorchObjectTree> & tree, std::uint32_t index)
{
  static const TorchObjectTree::Node none;
  return tree ? tree->nodes[index] : none;
}
} // namespace

TorchObject::TorchObject(std::shared_ptr<const TorchObjectTree> tree, std::uint32_t index)
  : m_Tree(std::move(tree))
  , m_Index(index)
{
  itkNNRequireMacro(m_Tree == nullptr || m_Index < m_Tree->nodes.size(),
                    "Value " << index << " does not exist in this tree");
}

TorchObject::Kind
TorchObject::GetKind() const
{
  return NodeOf(m_Tree, m_Index).kind;
}

const char *
TorchObject::ToString(Kind kind)
{
  switch (kind)
  {
    case Kind::None:
      return "None";
    case Kind::Boolean:
      return "boolean";
    case Kind::Integer:
      return "integer";
    case Kind::BigInteger:
      return "big integer";
    case Kind::Real:
      return "real";
    case Kind::String:
      return "string";
    case Kind::Bytes:
      return "bytes";
    case Kind::Tensor:
      return "tensor";
    case Kind::List:
      return "list";
    case Kind::Tuple:
      return "tuple";
    case Kind::Set:
      return "set";
    case Kind::Dictionary:
      return "dictionary";
    case Kind::Class:
      return "class";
    case Kind::Opaque:
      return "object";
  }
  return "unknown";
}

bool
TorchObject::IsNumber() const
{
  const Kind kind = this->GetKind();
  return kind == Kind::Boolean || kind == Kind::Integer || kind == Kind::Real;
}

bool
TorchObject::GetBoolean() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::Boolean || node.kind == Kind::Integer,
                    "Expected a boolean, found " << Describe(*this));
  return node.integer != 0;
}

std::int64_t
TorchObject::GetInteger() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  if (node.kind == Kind::Tensor)
  {
    const Tensor & tensor = this->GetTensor();
    itkNNRequireMacro(tensor.GetNumberOfElements() == 1 && !IsFloatingPoint(tensor.GetDataType()),
                      "Expected an integer, found a " << nn::ToString(tensor.GetDataType()) << " tensor of shape "
                                                      << nn::ToString(tensor.GetShape()));
    return tensor.ToVector<std::int64_t>()[0];
  }
  itkNNRequireMacro(node.kind == Kind::Boolean || node.kind == Kind::Integer,
                    "Expected an integer, found " << Describe(*this));
  return node.integer;
}

double
TorchObject::GetReal() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  if (node.kind == Kind::Tensor)
  {
    const Tensor & tensor = this->GetTensor();
    itkNNRequireMacro(tensor.GetNumberOfElements() == 1,
                      "Expected a number, found a tensor of shape " << nn::ToString(tensor.GetShape()));
    return tensor.ToVector<double>()[0];
  }
  itkNNRequireMacro(this->IsNumber(), "Expected a number, found " << Describe(*this));
  return node.kind == Kind::Real ? node.real : static_cast<double>(node.integer);
}

const std::string &
TorchObject::GetText() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::String || node.kind == Kind::Bytes || node.kind == Kind::BigInteger,
                    "Expected a string, found " << Describe(*this));
  return node.text;
}

const Tensor &
TorchObject::GetTensor() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::Tensor, "Expected a tensor, found " << Describe(*this));
  return m_Tree->tensors[static_cast<std::size_t>(node.integer)];
}

std::size_t
TorchObject::GetSize() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  switch (node.kind)
  {
    case Kind::Dictionary:
    case Kind::Opaque:
      return (node.items.size() - TorchObjectTree::FirstItem(node)) / 2;
    case Kind::List:
    case Kind::Tuple:
    case Kind::Set:
      return node.items.size();
    default:
      return 0;
  }
}

TorchObject
TorchObject::GetItem(std::size_t index) const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::List || node.kind == Kind::Tuple || node.kind == Kind::Set,
                    "Expected a list or tuple, found " << Describe(*this));
  itkNNRequireMacro(index < node.items.size(),
                    "Item " << index << " was asked of a " << ToString(node.kind) << " of " << node.items.size());
  return TorchObject(m_Tree, node.items[index]);
}

std::pair<TorchObject, TorchObject>
TorchObject::GetEntry(std::size_t index) const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::Dictionary || node.kind == Kind::Opaque,
                    "Expected a dictionary, found " << Describe(*this));
  itkNNRequireMacro(index < this->GetSize(), "Entry " << index << " was asked of a dictionary of " << this->GetSize());
  const std::size_t first = TorchObjectTree::FirstItem(node) + 2 * index;
  return { TorchObject(m_Tree, node.items[first]), TorchObject(m_Tree, node.items[first + 1]) };
}

std::vector<std::string>
TorchObject::GetKeys() const
{
  std::vector<std::string> keys;
  const Kind kind = this->GetKind();
  for (std::size_t i = 0; (kind == Kind::Dictionary || kind == Kind::Opaque) && i < this->GetSize(); ++i)
  {
    const TorchObject key = this->GetEntry(i).first;
    if (HasKeyText(key))
    {
      keys.push_back(KeyText(key));
    }
  }
  return keys;
}

bool
TorchObject::Has(const std::string & key) const
{
  const Kind kind = this->GetKind();
  for (std::size_t i = 0; (kind == Kind::Dictionary || kind == Kind::Opaque) && i < this->GetSize(); ++i)
  {
    const TorchObject candidate = this->GetEntry(i).first;
    if (HasKeyText(candidate) && KeyText(candidate) == key)
    {
      return true;
    }
  }
  return false;
}

TorchObject
TorchObject::Get(const std::string & key) const
{
  const Kind kind = this->GetKind();
  itkNNRequireMacro(kind == Kind::Dictionary || kind == Kind::Opaque,
                    "Key " << Quote(key) << " was asked of " << Describe(*this) << ", which is no dictionary");
  // The last of equal keys counts, as it does when a dictionary is filled.
  for (std::size_t i = this->GetSize(); i-- > 0;)
  {
    const auto entry = this->GetEntry(i);
    if (HasKeyText(entry.first) && KeyText(entry.first) == key)
    {
      return entry.second;
    }
  }
  itkNNThrowMacro("There is no key " << Quote(key) << " among " << ListKeys(*this));
}

const std::string &
TorchObject::GetClassName() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::Class || node.kind == Kind::Opaque,
                    "Expected an object of a class, found " << ToString(node.kind));
  return node.text;
}

TorchObject
TorchObject::GetArguments() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::Opaque, "Expected an object, found " << Describe(*this));
  return TorchObject(m_Tree, node.items[0]);
}

TorchObject
TorchObject::GetState() const
{
  const auto & node = NodeOf(m_Tree, m_Index);
  itkNNRequireMacro(node.kind == Kind::Opaque, "Expected an object, found " << Describe(*this));
  return TorchObject(m_Tree, node.items[1]);
}

StateDict
TorchObject::Flatten() const
{
  return Flattener().Run(*this);
}

StateDict
ExtractStateDict(const TorchObject & root, const std::string & key)
{
  TorchObject object = root;
  if (!key.empty())
  {
    std::size_t begin = 0;
    while (begin <= key.size())
    {
      const std::size_t end = std::min(key.find('.', begin), key.size());
      object = object.Get(key.substr(begin, end - begin));
      begin = end + 1;
    }
    StateDict weights = StripPrefixes(object.Flatten());
    itkNNRequireMacro(!weights.IsEmpty(), "There are no tensors under " << Quote(key));
    return weights;
  }
  const TorchObject found = FindWeights(root, 0);
  if (found.IsNone())
  {
    itkNNThrowMacro("No state dict was found in "
                    << Describe(root) << (root.IsDictionary() ? " with the keys " + ListKeys(root) : std::string())
                    << "; expected tensors under names, or a dictionary of them under "
                       "'ema_model_state_dict', 'model_state_dict', 'state_dict', 'model', 'net' or 'network'");
  }
  StateDict weights = StripPrefixes(found.Flatten());
  itkNNRequireMacro(!weights.IsEmpty(), "The state dict that was found has no tensors");
  return weights;
}
} // namespace nn
} // namespace itk
