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
#ifndef itkSegmentationModel_h
#define itkSegmentationModel_h

#include "UniverSegFilteringExport.h"
#include "itkDataObject.h"
#include "itkNNModel.h"
#include "itkNNNetworkRunner.h"
#include "itkObjectFactory.h"
#include "itkSize.h"
#include "itkUniverSegMacros.h"

#include <list>
#include <memory>
#include <mutex>
#include <string>

namespace itk
{
/** \class SegmentationModel
 * \brief A loaded model, ready to run, that filters share.
 *
 * Weights, the network they belong to, and the runners with their plans and
 * packed weights. Setting one object in several filters, in one thread or in
 * many, keeps a single copy of all of them. A change of the nn::Model is
 * noticed, and filters that use it run again.
 *
 * The network is the one that the model's card names. For a file without a card
 * it is the one given, and failing that it is inferred from the shapes of the
 * weights.
 *
 * Of the card's preprocessing the key "grid_size" is used: [height, width].
 * \ingroup UniverSegFiltering
 */
class UniverSegFiltering_EXPORT SegmentationModel : public DataObject
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SegmentationModel);

  using Self = SegmentationModel;
  using Superclass = DataObject;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using GridSizeType = Size<2>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SegmentationModel);

  /** Extent of the grid in both axes when the card does not say. */
  static constexpr SizeValueType DefaultGridExtent = 128;

  /** Load a model file, safetensors or `.pt`. Throws nn::Error when it cannot be
   * read, and ExceptionObject when the weights fit no known network.
   * \param networkName for files without a card, for example "universeg".
   * \param configuration JSON text, for files without a card. */
  static Pointer Read(const std::string & fileName,
                      const std::string & networkName = "",
                      const std::string & configuration = "");

  /** The small model embedded in the library, loaded once for the process. It is
   * meant for demonstrations and simple structures. */
  static Pointer GetDefault();

  // Not for Python, which has no classes of the engine.
#ifndef ITK_WRAPPING_PARSER
  /** Use a model; name and configuration as in Read(). */
  void SetModel(const nn::Model * model, const std::string & networkName = "", const std::string & configuration = "");
  const nn::Model * GetModel() const
  {
    return m_Model.GetPointer();
  }

  /** The network of the weights. Throws ExceptionObject when no model is set, and nn::Error when
   * the network has no such task.
   * \param task of a network of several; -1: the one that its configuration names. */
  nn::Network::ConstPointer GetNetwork(int task = -1) const;
#endif

  /** Tasks, or domains, whose weights the model has; see nn::Network::GetNumberOfTasks(). */
  SizeValueType GetNumberOfTasks() const;

  /** The number of a task from its name in the model's card. Throws ExceptionObject that lists the
   * names when there is none. */
  int FindTask(const std::string & name) const;

  /** Name of the network, for example "universeg". */
  std::string GetNetworkName() const;

  /** Configuration of the network, a JSON object. */
  std::string GetConfiguration() const;

  SizeValueType GetNumberOfParameters() const;

  /** Where the model was read from. */
  std::string GetFileName() const;

  /** Card, tensors and totals as a JSON object, see nn::DescribeModelAsJson().
   * These throw ExceptionObject when no model is set. */
  std::string GetDescription() const;

  /** Width and height, in pixels, of the grid that the model was trained on. */
  GridSizeType GetGridSize() const;

#ifndef ITK_WRAPPING_PARSER
  /** The runner for some options, made when first asked for; the last few are
   * kept. Safe to call from several threads.
   * \param task as of GetNetwork(). */
  std::shared_ptr<nn::NetworkRunner> GetRunner(const nn::PlanOptions & options, int task = -1) const;

  /** The runner of another network with the model's weights. Throws also when they are not its own. */
  std::shared_ptr<nn::NetworkRunner> GetRunner(const nn::PlanOptions & options,
                                               const nn::Network::ConstPointer & network) const;
#endif

  /** Drop runners, plans, arenas and packed weights that are not in use. */
  void ReleaseMemory();

  /** Also that of the nn::Model. */
  ModifiedTimeType GetMTime() const override;

protected:
  SegmentationModel();
  ~SegmentationModel() override;

  void PrintSelf(std::ostream & os, Indent indent) const override;

private:
  struct State;

  /** Network and grid for the model as it is now; the mutex is held. */
  State & GetState() const;

  nn::Model::ConstPointer GetCheckedModel() const;

  nn::Model::ConstPointer m_Model;
  std::string m_NetworkName;
  std::string m_Configuration;
  mutable std::mutex m_Mutex;
  mutable std::unique_ptr<State> m_State;
};
} // namespace itk

#endif
